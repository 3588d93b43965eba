// Controlplane is a whole Kubernetes control plane in one binary, and a node on Linux: its first argument says which part
// to be.
//
//	controlplane etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kubelet FLAGS
//
// Tests run against the components that clusters run, and these come from nowhere but Go modules.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// parts are the programs as their own main packages would start them, by name. Each reads os.Args.
var parts = map[string]func() int{
	"etcd": func() int {
		etcdmain.Main(os.Args)
		return 0
	},
	"kube-apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return cli.Run(controllermanager.NewControllerManagerCommand()) },
}

func main() {
	if len(os.Args) > 1 {
		if run, found := parts[os.Args[1]]; found {
			os.Args = os.Args[1:]
			os.Exit(run())
		}
	}
	names := make([]string, 0, len(parts))
	for name := range parts {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "Usage: controlplane %s FLAGS\n", strings.Join(names, "|"))
	os.Exit(2)
}
