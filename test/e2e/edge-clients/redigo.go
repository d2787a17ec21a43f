package main

import (
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/gomodule/redigo/redis"
)

func main() {
	url := os.Getenv("REDIS_URL")
	dial := func() redis.Conn {
		conn, err := redis.DialURL(url)
		if err != nil {
			log.Fatal(err)
		}
		return conn
	}
	conn, listener := dial(), dial()
	big := strings.Repeat("x", 1000000)
	if _, err := conn.Do("SET", "go", big); err != nil {
		log.Fatal(err)
	}
	got, _ := redis.String(conn.Do("GET", "go"))
	conn.Send("MULTI")
	conn.Send("SET", "go-count", 1)
	conn.Send("INCR", "go-count")
	multi, err := redis.Values(conn.Do("EXEC"))
	if err != nil {
		log.Fatal(err)
	}
	pubsub := redis.PubSubConn{Conn: listener}
	pubsub.Subscribe("go-news")
	pubsub.Receive()
	conn.Do("PUBLISH", "go-news", "hello")
	message := pubsub.Receive().(redis.Message)
	conn.Do("RPUSH", "go-list", "now")
	popped, _ := redis.Strings(conn.Do("BLPOP", "go-list", 10))
	fmt.Println(got == big, multi[1], string(message.Data), popped[1])
}
