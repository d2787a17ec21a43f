<?php
$url = parse_url(getenv("REDIS_URL"));
$redis = new Redis();
$redis->connect("tls://" . $url["host"], $url["port"]);
$redis->auth([$url["user"], $url["pass"]]);
$big = str_repeat("x", 1000000);
$redis->set("phpredis", $big);
$multi = $redis->multi()->set("phpredis-count", 1)->incr("phpredis-count")->exec();
$redis->rPush("phpredis-list", "now");
echo json_encode([$redis->get("phpredis") === $big, $multi, $redis->blPop(["phpredis-list"], 10)[1]]), PHP_EOL;
