package files

import (
	"testing"

	agentv1 "pacific/api/agent/v1"
)

func TestHosts(t *testing.T) {
	pod := &agentv1.Pod{
		Hostname: "web-0", Domain: "web.default.svc.cluster.local",
		Network:     &agentv1.Network{Addresses: []string{"10.244.1.5/32", "fd00::5/128"}},
		HostAliases: []*agentv1.HostAlias{{Ip: "1.2.3.4", Hostnames: []string{"a", "b"}}},
	}
	want := `# Kubernetes-managed hosts file.
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::0	ip6-localnet
fe00::0	ip6-mcastprefix
fe00::1	ip6-allnodes
fe00::2	ip6-allrouters
10.244.1.5	web-0.web.default.svc.cluster.local	web-0
fd00::5	web-0.web.default.svc.cluster.local	web-0

# Entries added by HostAliases.
1.2.3.4	a	b
`
	if got := string(Hosts(pod)); got != want {
		t.Errorf("got %q", got)
	}
	pod.NodeHosts = []byte("127.0.0.1 localhost\n192.0.2.7 printer\n")
	want = `# Kubernetes-managed hosts file (host network).
127.0.0.1 localhost
192.0.2.7 printer

# Entries added by HostAliases.
1.2.3.4	a	b
`
	if got := string(Hosts(pod)); got != want {
		t.Errorf("on the host's network: got %q", got)
	}
}

func TestResolvConf(t *testing.T) {
	got := string(ResolvConf(&agentv1.Dns{Servers: []string{"10.96.0.10", "1.1.1.1"}, Searches: []string{"a.b", "c"}, Options: []string{"ndots:5", "edns0"}}))
	if want := "search a.b c\nnameserver 10.96.0.10\nnameserver 1.1.1.1\noptions ndots:5 edns0\n"; got != want {
		t.Errorf("got %q", got)
	}
	if got := ResolvConf(nil); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}
