require "redis"

big = "x" * 1_000_000
redis = Redis.new(url: ENV["REDIS_URL"])
waiting = Redis.new(url: ENV["REDIS_URL"])
redis.set("ruby", big)
same = redis.get("ruby") == big
multi = redis.multi { |transaction| transaction.set("ruby-count", 1); transaction.incr("ruby-count") }
popped = Thread.new { waiting.blpop("ruby-list", timeout: 10) }
redis.rpush("ruby-list", "now")
heard = Queue.new
subscribed = Queue.new
listening = Thread.new do
  Redis.new(url: ENV["REDIS_URL"]).subscribe("ruby-news") do |on|
    on.subscribe { subscribed << true }
    on.message { |_, message| heard << message; Thread.exit }
  end
end
subscribed.pop
redis.publish("ruby-news", "hello")
puts [same, multi, heard.pop, popped.value[1]].inspect
