<?php
require "/usr/share/php/Predis/autoload.php";

$redis = new Predis\Client(getenv("REDIS_URL"));
$big = str_repeat("x", 1000000);
$redis->set("predis", $big);
$multi = $redis->transaction()->set("predis-count", 1)->incr("predis-count")->execute();
$redis->rpush("predis-list", ["now"]);
echo json_encode([$redis->get("predis") === $big, $multi[1], $redis->blpop(["predis-list"], 10)[1]]), PHP_EOL;
