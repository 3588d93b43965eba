// Standin is what runs in containers that only have to be there: the sandbox of each pod, and Cilium's agent.
//
//	standin [ADDRESS]
//
// With an address, as 127.0.0.1:9879, it answers every HTTP request there with 200, as Cilium's healthz does.
package main

import (
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	if len(os.Args) > 1 {
		ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		go func() { panic(http.ListenAndServe(os.Args[1], ok)) }()
	}
	for received := range signals {
		if received != syscall.SIGCHLD {
			os.Exit(0)
		}
		reap()
	}
}

// reap takes leave of processes that lost their parent: a sandbox is their init.
func reap() {
	for {
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}
