package main

import (
	"context"

	"k8s.io/component-base/cli"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// Clusters with nodes are tested on Linux alone, and the kubelet compiles nowhere else.
func init() {
	parts["kube-scheduler"] = func() int { return cli.Run(scheduler.NewSchedulerCommand()) }
	parts["kubelet"] = func() int { return cli.Run(kubelet.NewKubeletCommand(context.Background())) }
}
