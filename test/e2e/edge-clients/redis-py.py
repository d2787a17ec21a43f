import json, os, sys, threading, time, redis

url = os.environ["REDIS_URL"]


def steady():
    r = redis.from_url(url)
    first = r.client_id()
    print("steady", flush=True)
    answered = time.monotonic()
    errors = []
    while True:
        try:
            now = r.client_id()
        except Exception as error:
            errors.append("thrown: %s" % error)
            time.sleep(0.01)
            continue
        if now != first:
            gap = (time.monotonic() - answered) * 1000
            print(json.dumps({"backAfterMs": round(gap), "errors": list(dict.fromkeys(errors))}), flush=True)
            return
        answered = time.monotonic()
        time.sleep(0.01)


if sys.argv[1:] == ["steady"]:
    steady()
    sys.exit()
big = "x" * 1000000
r = redis.from_url(url, decode_responses=True)
r.set("text", big)
with r.pipeline(transaction=True) as pipe:
    multi = pipe.set("count", 1).incr("count").execute()
pubsub = r.pubsub(ignore_subscribe_messages=True)
pubsub.subscribe("news")
while pubsub.get_message(timeout=5) is not None:
    pass
popped = []
waiting = threading.Thread(target=lambda: popped.append(r.blpop("list", 10)))
waiting.start()
r.rpush("list", "now")
waiting.join()
r.publish("news", "hello")
message = None
while message is None:
    message = pubsub.get_message(timeout=5)
found = {
    "big": r.get("text") == big,
    "MULTI": multi == [True, 2],
    "pub/sub": message["data"] == "hello",
    "pop": popped[0][1] == "now",
}
print(json.dumps([feature for feature, is_fine in found.items() if is_fine], separators=(",", ":")))
