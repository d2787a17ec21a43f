package main

import (
	"log"
	"os"
	"strings"
	"time"

	"gopkg.in/redis.v5"
)

func main() {
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(options)
	if isSteady() {
		steady(func() (int64, error) {
			id := redis.NewIntCmd("client", "id")
			client.Process(id)
			return id.Result()
		})
	}
	big := strings.Repeat("x", 1000000)
	if err := client.Set("text", big, 0).Err(); err != nil {
		log.Fatal(err)
	}
	var count *redis.IntCmd
	_, err = client.TxPipelined(func(pipe *redis.Pipeline) error {
		pipe.Set("count", 1, 0)
		count = pipe.Incr("count")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	popped := make(chan []string)
	go func() { popped <- client.BLPop(10*time.Second, "list").Val() }()
	client.RPush("list", "now")
	pubsub, err := client.Subscribe("news")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := pubsub.Receive(); err != nil {
		log.Fatal(err)
	}
	client.Publish("news", "hello")
	message, err := pubsub.ReceiveMessage()
	if err != nil {
		log.Fatal(err)
	}
	say(client.Get("text").Val() == big, count.Val() == 2, message.Payload == "hello", (<-popped)[1] == "now")
}
