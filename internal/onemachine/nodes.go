package onemachine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"pacific/internal/center/wcp"
	"pacific/internal/onemachine/layout"
)

func (u *Up) awaitNodes(ctx context.Context, note func(string)) error {
	client, err := Kubernetes(u.layout)
	if err != nil {
		return err
	}
	hosts := layout.HostNames(u.in.Hosts)
	var daemons []string
	for _, host := range hosts {
		daemons = append(daemons, sphereletName(host), host+"-dataplane")
	}
	return u.awaitDaemons(ctx, note, daemons, func(ctx context.Context) error {
		trouble, err := nodeTrouble(ctx, client, u.layout, hosts)
		if err != nil {
			return Pending(fmt.Sprintf("the list of nodes: %v", err))
		}
		var waits []string
		for _, host := range hosts {
			if trouble[host] != "" {
				waits = append(waits, "node "+host+": "+trouble[host])
			}
		}
		if len(waits) > 0 {
			return Pending(strings.Join(waits, "; "))
		}
		return nil
	})
}

// nodeTrouble says why the node of a host is not Ready, for each that is not.
func nodeTrouble(ctx context.Context, client kubernetes.Interface, l layout.Layout, hosts []string) (map[string]string, error) {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	leases, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	trouble := map[string]string{}
	for _, host := range hosts {
		if why := whyNotReady(host, nodes.Items, leases.Items, records(l).Since(sphereletName(host))); why != "" {
			trouble[host] = why
		}
	}
	return trouble, nil
}

// whyNotReady is empty for a node that is Ready. For some time after a spherelet has ended its node still counts as Ready,
// so the spherelet that runs since the given time must have renewed the node's lease.
func whyNotReady(host string, nodes []corev1.Node, leases []coordinationv1.Lease, since time.Time) string {
	at := slices.IndexFunc(nodes, func(n corev1.Node) bool { return n.Name == host })
	if at < 0 {
		return "not registered yet"
	}
	if reason := wcp.NotReady(nodes[at]); reason != "" {
		return reason
	}
	lease := slices.IndexFunc(leases, func(l coordinationv1.Lease) bool { return l.Name == host })
	if lease < 0 || leases[lease].Spec.RenewTime == nil || leases[lease].Spec.RenewTime.Time.Before(since) {
		return "its spherelet has not renewed the node's lease since it started"
	}
	return ""
}

func sphereletName(host string) string { return host + "-spherelet" }
