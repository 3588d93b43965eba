//go:build tools

// Package tools names the Knative programs that the tests build, so that `go mod tidy` keeps what they need.
package tools

import (
	_ "knative.dev/eventing/cmd/apiserver_receive_adapter"
	_ "knative.dev/eventing/cmd/mtping"
)
