<?php
require "/usr/share/php/Predis/autoload.php";
require __DIR__ . "/steady.php";

function connect(): Predis\Client
{
    return new Predis\Client(getenv("REDIS_URL"));
}

$redis = connect();
if (($argv[1] ?? "") === "steady") {
    error_reporting(0);
    steady(fn() => $redis->executeRaw(["CLIENT", "ID"]));
}
$big = str_repeat("x", 1000000);
$redis->set("text", $big);
$multi = $redis->transaction()->set("count", 1)->incr("count")->execute();
beside(fn() => connect()->rpush("list", ["now"]));
$popped = $redis->blpop(["list"], 10);
beside(function () {
    $other = connect();
    while ($other->publish("news", "hello") === 0) {
        usleep(1000);
    }
});
$heard = null;
$loop = connect()->pubSubLoop(["subscribe" => "news"]);
foreach ($loop as $message) {
    if ($message->kind === "message") {
        $heard = $message->payload;
        break;
    }
}
say([
    "big" => $redis->get("text") === $big,
    "MULTI" => $multi[1] === 2,
    "pub/sub" => $heard === "hello",
    "pop" => $popped === ["list", "now"],
]);
