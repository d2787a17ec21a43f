package main

import (
	"log"
	"os"
	"strings"

	"github.com/gomodule/redigo/redis"
)

func main() {
	url := os.Getenv("REDIS_URL")
	pool := &redis.Pool{MaxIdle: 4, Dial: func() (redis.Conn, error) { return redis.DialURL(url) }}
	if isSteady() {
		steady(func() (int64, error) {
			conn := pool.Get()
			defer conn.Close()
			return redis.Int64(conn.Do("CLIENT", "ID"))
		})
	}
	conn, waiting, listener := pool.Get(), pool.Get(), pool.Get()
	big := strings.Repeat("x", 1000000)
	if _, err := conn.Do("SET", "text", big); err != nil {
		log.Fatal(err)
	}
	got, _ := redis.String(conn.Do("GET", "text"))
	conn.Send("MULTI")
	conn.Send("SET", "count", 1)
	conn.Send("INCR", "count")
	multi, err := redis.Values(conn.Do("EXEC"))
	if err != nil {
		log.Fatal(err)
	}
	popped := make(chan []string)
	go func() {
		pair, _ := redis.Strings(waiting.Do("BLPOP", "list", 10))
		popped <- pair
	}()
	conn.Do("RPUSH", "list", "now")
	pubsub := redis.PubSubConn{Conn: listener}
	pubsub.Subscribe("news")
	pubsub.Receive()
	conn.Do("PUBLISH", "news", "hello")
	message, _ := pubsub.Receive().(redis.Message)
	say(got == big, multi[1] == int64(2), string(message.Data) == "hello", (<-popped)[1] == "now")
}
