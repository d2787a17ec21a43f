package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"
)

func isSteady() bool {
	return len(os.Args) > 1 && os.Args[1] == "steady"
}

// Asks for the connection's id until it is another one, and tells for how long nothing was answered, and the errors.
func steady(ask func() (int64, error)) {
	first, err := ask()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("steady")
	answered := time.Now()
	errors := []string{}
	for {
		id, err := ask()
		if err != nil {
			if said := "thrown: " + err.Error(); len(errors) == 0 || errors[len(errors)-1] != said {
				errors = append(errors, said)
			}
		} else if id != first {
			break
		} else {
			answered = time.Now()
		}
		time.Sleep(10 * time.Millisecond)
	}
	print(map[string]interface{}{"backAfterMs": time.Since(answered).Milliseconds(), "errors": errors})
	os.Exit(0)
}

// Prints which of these things went well.
func say(big, multi, pubsub, pop bool) {
	found := []string{}
	for _, each := range []struct {
		name   string
		isFine bool
	}{{"big", big}, {"MULTI", multi}, {"pub/sub", pubsub}, {"pop", pop}} {
		if each.isFine {
			found = append(found, each.name)
		}
	}
	print(found)
}

func print(value interface{}) {
	text, _ := json.Marshal(value)
	fmt.Println(string(text))
}
