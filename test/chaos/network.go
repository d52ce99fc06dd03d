package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
)

// network is what the kernel of a host holds for the ports of its pods, as lines that can be compared.
type network map[string]bool

// Lines of a network.
func routeLine(address, tap string) string { return fmt.Sprintf("route %s dev %s", address, tap) }
func neighbourLine(address, tap, mac string) string {
	return fmt.Sprintf("neigh %s lladdr %s dev %s", address, mac, tap)
}
func senderLine(address, tap, mac string) string {
	return fmt.Sprintf("nft element ports4 { %s . %s . %s }", tap, mac, address)
}
func hostPortLine(protocol string, port int32, address string, to int32) string {
	return fmt.Sprintf("nft element host-ports4 { %s . %d : %s . %d }", protocol, port, address, to)
}

// wantedNetworks are those that the hosts should have by the pods of the API server.
func wantedNetworks(hosts []string, pods []corev1.Pod) map[string]network {
	networks := map[string]network{}
	for _, host := range hosts {
		networks[host] = network{}
	}
	for _, pod := range pods {
		n, ok := networks[pod.Spec.NodeName]
		if !ok || over(pod) {
			continue
		}
		var port podapi.Network
		if json.Unmarshal([]byte(pod.Annotations[podapi.AnnotationNetwork]), &port) != nil {
			continue
		}
		tap := hostv1.TapName(podapi.MachineID(string(pod.UID)))
		for _, text := range port.Addresses {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				continue
			}
			address := prefix.Addr().String()
			n[routeLine(address, tap)], n[neighbourLine(address, tap, port.MAC)], n[senderLine(address, tap, port.MAC)] = true, true, true
			for _, p := range podapi.HostPorts(&pod) {
				n[hostPortLine(strings.ToLower(string(p.Protocol)), p.HostPort, address, p.ContainerPort)] = true
			}
		}
	}
	return networks
}

// networkMismatches names what a host has too much and what it lacks.
func networkMismatches(host string, want, have network) []string {
	var found []string
	for line := range have {
		if !want[line] {
			found = append(found, fmt.Sprintf("%s has %q, which is no pod's", host, line))
		}
	}
	for line := range want {
		if !have[line] {
			found = append(found, fmt.Sprintf("%s lacks %q", host, line))
		}
	}
	slices.Sort(found)
	return found
}

// sharedAddresses names addresses that more than one pod has that is not over.
func sharedAddresses(pods []corev1.Pod) []string {
	owners := map[string][]string{}
	for _, pod := range pods {
		if over(pod) {
			continue
		}
		for _, ip := range pod.Status.PodIPs {
			owners[ip.IP] = append(owners[ip.IP], pod.Namespace+"/"+pod.Name)
		}
	}
	var found []string
	for _, ip := range slices.Sorted(maps.Keys(owners)) {
		if len(owners[ip]) > 1 {
			found = append(found, fmt.Sprintf("address %s is that of %s", ip, strings.Join(owners[ip], " and of ")))
		}
	}
	return found
}

// network reads what the kernel of a host has.
func (c *Cluster) network(ctx context.Context, host string) (network, error) {
	n := network{}
	return n, errors.Join(c.readRoutes(ctx, host, n), c.readNeighbours(ctx, host, n), c.readSenders(ctx, host, n), c.readHostPorts(ctx, host, n))
}

// inHost runs a command that prints JSON in the network namespace of a host.
func (c *Cluster) inHost(ctx context.Context, host string, into any, command ...string) error {
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", c.Namespace(host)}, command...)...).Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", host, strings.Join(command, " "), err)
	}
	return nil
}

// dataplaneProtocol marks the routes that are the dataplane's.
const dataplaneProtocol = "80"

func (c *Cluster) readRoutes(ctx context.Context, host string, n network) error {
	var routes []struct{ Dst, Dev, Gateway string }
	err := c.inHost(ctx, host, &routes, "ip", "-j", "route", "show", "proto", dataplaneProtocol)
	for _, r := range routes {
		if r.Gateway == "" {
			n[routeLine(r.Dst, r.Dev)] = true
		}
	}
	return err
}

func (c *Cluster) readNeighbours(ctx context.Context, host string, n network) error {
	var neighbours []struct{ Dst, Dev, Lladdr string }
	err := c.inHost(ctx, host, &neighbours, "ip", "-j", "neigh", "show", "nud", "permanent")
	for _, e := range neighbours {
		if strings.HasPrefix(e.Dev, "tap") {
			n[neighbourLine(e.Dst, e.Dev, e.Lladdr)] = true
		}
	}
	return err
}

// nftList is what nft -j list prints of one set or map.
type nftList struct {
	Nftables []struct {
		Set struct {
			Elem []struct{ Concat []string }
		}
		Map struct {
			Elem [][2]struct{ Concat [2]any }
		}
	}
}

func (c *Cluster) readSenders(ctx context.Context, host string, n network) error {
	var list nftList
	err := c.inHost(ctx, host, &list, "nft", "-j", "list", "set", "inet", "pacific", "ports4")
	for _, item := range list.Nftables {
		for _, e := range item.Set.Elem {
			if len(e.Concat) == 3 {
				n[senderLine(e.Concat[2], e.Concat[0], e.Concat[1])] = true
			}
		}
	}
	return err
}

func (c *Cluster) readHostPorts(ctx context.Context, host string, n network) error {
	var list nftList
	err := c.inHost(ctx, host, &list, "nft", "-j", "list", "map", "inet", "pacific", "host-ports4")
	for _, item := range list.Nftables {
		for _, e := range item.Map.Elem {
			n[fmt.Sprintf("nft element host-ports4 { %v . %v : %v . %v }", e[0].Concat[0], e[0].Concat[1], e[1].Concat[0], e[1].Concat[1])] = true
		}
	}
	return err
}
