<?php
require __DIR__ . "/steady.php";

function connect(): Redis
{
    $url = parse_url(getenv("REDIS_URL"));
    $redis = new Redis();
    $redis->connect("tls://" . $url["host"], $url["port"]);
    $redis->auth([$url["user"], $url["pass"]]);
    return $redis;
}

$redis = connect();
if (($argv[1] ?? "") === "steady") {
    // Warnings are what PHP says of it besides.
    error_reporting(0);
    steady(fn() => $redis->rawCommand("CLIENT", "ID"));
}
$big = str_repeat("x", 1000000);
$redis->set("text", $big);
$multi = $redis->multi()->set("count", 1)->incr("count")->exec();
beside(fn() => connect()->rPush("list", "now"));
$popped = $redis->blPop(["list"], 10);
beside(function () {
    $other = connect();
    while ($other->publish("news", "hello") === 0) {
        usleep(1000);
    }
});
$heard = null;
try {
    connect()->subscribe(["news"], function ($its, $channel, $message) use (&$heard) {
        $heard = $message;
        $its->close();
    });
} catch (RedisException) {
    // It has been told to close.
}
say([
    "big" => $redis->get("text") === $big,
    "MULTI" => $multi === [true, 2],
    "pub/sub" => $heard === "hello",
    "pop" => $popped === ["list", "now"],
]);
