import os, sys, time, redis

r = redis.from_url(os.environ["REDIS_URL"])
r.incr("steady")
print("steady", flush=True)
answered = time.monotonic()
failed = False
while True:
    try:
        r.incr("steady")
    except redis.ConnectionError:
        failed = True
        time.sleep(0.01)
        continue
    gap = time.monotonic() - answered
    answered += gap
    if failed:
        print("back after %d ms" % (gap * 1000))
        sys.exit()
    time.sleep(0.01)
