// Program informers reads what a tick of Sallyport reads, with client-go, as most controllers do. `bench:scale` compares
// what that costs.
//
//	informers MODE KUBECONFIG POOL_LABEL NAMESPACE
//
// MODE `lists` reads once and ends; `informers` follows all nodes, `selected` only those with the label, without what no
// decision needs. Informers follow Cilium's pods on all nodes, since a watch cannot select several nodes. When everything
// is read, a line of JSON tells what was sent and received; then it goes on until its input ends.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

var resources = []schema.GroupVersionResource{
	{Group: "network.deckhouse.io", Version: "v1alpha1", Resource: "egressgateways"},
	{Group: "network.deckhouse.io", Version: "v1alpha1", Resource: "egressgatewaypolicies"},
	{Group: "cilium.io", Version: "v2", Resource: "ciliumegressgatewaypolicies"},
}

const (
	ciliumSelector = "k8s-app=cilium"
	agentSelector  = "app.kubernetes.io/name=sallyport-agent"
	pageSize       = 500
	lanes          = 16
)

// traffic counts requests, the bytes of answers' bodies, and bytes as they come from the network: encrypted, and
// compressed where the server does that.
type traffic struct {
	Requests atomic.Int64
	Bodies   atomic.Int64
	Bytes    atomic.Int64
}

type countedTransport struct {
	next http.RoundTripper
	seen *traffic
}

func (t countedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	t.seen.Requests.Add(1)
	response, err := t.next.RoundTrip(request)
	if err == nil {
		response.Body = countedBody{response.Body, t.seen}
	}
	return response, err
}

type countedBody struct {
	io.ReadCloser
	seen *traffic
}

func (b countedBody) Read(into []byte) (int, error) {
	count, err := b.ReadCloser.Read(into)
	b.seen.Bodies.Add(int64(count))
	return count, err
}

type countedConn struct {
	net.Conn
	seen *traffic
}

func (c countedConn) Read(into []byte) (int, error) {
	count, err := c.Conn.Read(into)
	c.seen.Bytes.Add(int64(count))
	return count, err
}

type clients struct {
	typed   kubernetes.Interface
	dynamic dynamic.Interface
}

func main() {
	if len(os.Args) != 5 {
		fail(fmt.Errorf("usage: informers lists|informers|selected KUBECONFIG POOL_LABEL NAMESPACE"))
	}
	mode, kubeconfig, label, namespace := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	seen := &traffic{}
	with, err := connect(kubeconfig, seen)
	if err != nil {
		fail(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if mode == "lists" {
		kept, err := listAll(ctx, with, label, namespace)
		if err != nil {
			fail(err)
		}
		report(seen, kept)
		// Whoever measures this reads what it took before it ends.
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	kept, err := follow(ctx, with, mode, label, namespace)
	if err != nil {
		fail(err)
	}
	report(seen, kept())
	// Each line asks for the count so far.
	for {
		var line [1]byte
		if _, err := os.Stdin.Read(line[:]); err == io.EOF {
			return
		}
		report(seen, kept())
	}
}

func connect(kubeconfig string, seen *traffic) (*clients, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	// Its own limit of 5 requests a second would only slow it down.
	config.QPS, config.Burst = 1000, 1000
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		return countedConn{conn, seen}, err
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return countedTransport{next, seen} })
	protobuf := rest.CopyConfig(config)
	protobuf.ContentType = "application/vnd.kubernetes.protobuf"
	protobuf.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	typed, err := kubernetes.NewForConfig(protobuf)
	if err != nil {
		return nil, err
	}
	untyped, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &clients{typed, untyped}, nil
}

// listAll reads once: the nodes of gateways, Cilium's pods on these, and all that is ours.
func listAll(ctx context.Context, with *clients, label, namespace string) (int, error) {
	var kept atomic.Int64
	nodes, err := with.typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: label, Limit: pageSize})
	if err != nil {
		return 0, err
	}
	kept.Add(int64(len(nodes.Items)))
	work := []func() error{
		func() error {
			pods, err := with.typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: agentSelector})
			if err == nil {
				kept.Add(int64(len(pods.Items)))
			}
			return err
		},
		func() error {
			leases, err := with.typed.CoordinationV1().Leases(namespace).List(ctx, metav1.ListOptions{})
			if err == nil {
				kept.Add(int64(len(leases.Items)))
			}
			return err
		},
	}
	for _, node := range nodes.Items {
		work = append(work, func() error {
			options := metav1.ListOptions{LabelSelector: ciliumSelector, FieldSelector: "spec.nodeName=" + node.Name}
			pods, err := with.typed.CoreV1().Pods("kube-system").List(ctx, options)
			if err == nil {
				kept.Add(int64(len(pods.Items)))
			}
			return err
		})
	}
	for _, resource := range resources {
		work = append(work, func() error {
			next := ""
			for {
				page, err := with.dynamic.Resource(resource).List(ctx, metav1.ListOptions{Limit: pageSize, Continue: next})
				if err != nil {
					return err
				}
				kept.Add(int64(len(page.Items)))
				if next = page.GetContinue(); next == "" {
					return nil
				}
			}
		})
	}
	err = sideBySide(work)
	return int(kept.Load()), err
}

func sideBySide(work []func() error) error {
	var group sync.WaitGroup
	todo := make(chan func() error, len(work))
	failures := make(chan error, len(work))
	for _, each := range work {
		todo <- each
	}
	close(todo)
	for range lanes {
		group.Go(func() {
			for each := range todo {
				if err := each(); err != nil {
					failures <- err
				}
			}
		})
	}
	group.Wait()
	close(failures)
	return <-failures
}

// follow starts informers and waits until each has read everything.
func follow(ctx context.Context, with *clients, mode, label, namespace string) (func() int, error) {
	if mode != "informers" && mode != "selected" {
		return nil, fmt.Errorf("there is no mode %q", mode)
	}
	selected := mode == "selected"
	factory := func(namespace, labels string) informers.SharedInformerFactory {
		options := []informers.SharedInformerOption{
			informers.WithNamespace(namespace),
			informers.WithTweakListOptions(func(options *metav1.ListOptions) { options.LabelSelector = labels }),
		}
		if selected {
			options = append(options, informers.WithTransform(strip))
		}
		return informers.NewSharedInformerFactoryWithOptions(with.typed, 0, options...)
	}
	nodeLabel := ""
	if selected {
		nodeLabel = label
	}
	nodes := factory("", nodeLabel)
	cilium := factory("kube-system", ciliumSelector)
	agents := factory(namespace, agentSelector)
	leases := factory(namespace, "")
	all := []cache.SharedIndexInformer{
		nodes.Core().V1().Nodes().Informer(),
		cilium.Core().V1().Pods().Informer(),
		agents.Core().V1().Pods().Informer(),
		leases.Coordination().V1().Leases().Informer(),
	}
	custom := dynamicinformer.NewDynamicSharedInformerFactory(with.dynamic, 0)
	for _, resource := range resources {
		informer := custom.ForResource(resource).Informer()
		if selected {
			if err := informer.SetTransform(strip); err != nil {
				return nil, err
			}
		}
		all = append(all, informer)
	}
	synced := []cache.InformerSynced{}
	for _, informer := range all {
		go informer.Run(ctx.Done())
		synced = append(synced, informer.HasSynced)
	}
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return nil, fmt.Errorf("cannot read the cluster")
	}
	return func() int {
		count := 0
		for _, informer := range all {
			count += len(informer.GetStore().ListKeys())
		}
		return count
	}, nil
}

// strip leaves out what is large and decides nothing.
func strip(object any) (any, error) {
	if meta, ok := object.(metav1.Object); ok {
		meta.SetManagedFields(nil)
	}
	switch typed := object.(type) {
	case *corev1.Node:
		typed.Status.Images = nil
		typed.Annotations = nil
	case *corev1.Pod:
		typed.Spec = corev1.PodSpec{NodeName: typed.Spec.NodeName}
		typed.Status.ContainerStatuses = nil
		typed.Status.InitContainerStatuses = nil
		typed.Annotations = nil
	}
	return object, nil
}

func report(seen *traffic, kept int) {
	line, err := json.Marshal(map[string]int64{
		"requests": seen.Requests.Load(),
		"bodies":   seen.Bodies.Load(),
		"network":  seen.Bytes.Load(),
		"objects":  int64(kept),
	})
	if err != nil {
		fail(err)
	}
	fmt.Println(string(line))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
