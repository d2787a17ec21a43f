require "json"
require "redis"

url = ENV["REDIS_URL"]
redis = Redis.new(url: url)
if ARGV == ["steady"]
  now = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC, :float_millisecond) }
  first = redis.client(:id)
  puts "steady"
  $stdout.flush
  answered = now.call
  errors = []
  loop do
    begin
      id = redis.client(:id)
    # A gateway that dies in a handshake: the client does not say that in its own words.
    rescue Redis::BaseError, SystemCallError, OpenSSL::SSL::SSLError => error
      errors << "thrown: #{error.message}"
      sleep 0.01
      next
    end
    if id != first
      puts JSON.generate(backAfterMs: (now.call - answered).round, errors: errors.uniq)
      exit
    end
    answered = now.call
    sleep 0.01
  end
end
big = "x" * 1_000_000
waiting = Redis.new(url: url)
redis.set("text", big)
multi = redis.multi { |transaction| transaction.set("count", 1); transaction.incr("count") }
popped = Thread.new { waiting.blpop("list", timeout: 10) }
redis.rpush("list", "now")
heard = Queue.new
subscribed = Queue.new
Thread.new do
  Redis.new(url: url).subscribe("news") do |on|
    on.subscribe { subscribed << true }
    on.message { |_, message| heard << message; Thread.exit }
  end
end
subscribed.pop
redis.publish("news", "hello")
found = {
  "big" => redis.get("text") == big,
  "MULTI" => multi == ["OK", 2],
  "pub/sub" => heard.pop == "hello",
  "pop" => popped.value[1] == "now",
}
puts JSON.generate(found.select { |_, is_fine| is_fine }.keys)
