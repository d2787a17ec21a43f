import os, threading, redis

url = os.environ["REDIS_URL"]
big = "x" * 1000000
r = redis.from_url(url, decode_responses=True)
r.set("python", big)
same = r.get("python") == big
with r.pipeline(transaction=True) as pipe:
    multi = pipe.set("python-count", 1).incr("python-count").execute()
pubsub = r.pubsub(ignore_subscribe_messages=True)
pubsub.subscribe("python-news")
while pubsub.get_message(timeout=5) is not None:
    pass
popped = []
waiting = threading.Thread(target=lambda: popped.append(r.blpop("python-list", 10)))
waiting.start()
r.rpush("python-list", "now")
waiting.join()
r.publish("python-news", "hello")
message = None
while message is None:
    message = pubsub.get_message(timeout=5)
print(same, multi, message["data"], popped[0][1])
