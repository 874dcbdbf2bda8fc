// Events is an application with a guarded route: HOOKSTREAM_KEY=… go run ./cmd/events
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	guard "example.com/go-guard"
)

func main() {
	keys := guard.New(setting("HOOKSTREAM_URL", "http://127.0.0.1:8080/v1"), os.Getenv("HOOKSTREAM_KEY"))
	routes := http.NewServeMux()
	routes.Handle("/events", keys.Require("events:read", http.HandlerFunc(events)))

	listener, err := net.Listen("tcp", "127.0.0.1:"+setting("PORT", "3000"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

func events(writer http.ResponseWriter, request *http.Request) {
	key := guard.KeyOf(request)
	writer.Header().Set("Content-Type", "application/json")
	body := map[string]any{"caller": key.Name, "metadata": key.Metadata}
	if err := json.NewEncoder(writer).Encode(body); err != nil {
		log.Print(err)
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
