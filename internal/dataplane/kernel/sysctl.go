package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
)

const sysctlRoot = "/proc/sys/net"

// EnableForwarding makes the host a router for both families. IPv6 may be switched off altogether.
func EnableForwarding() error {
	if err := setSysctl("ipv4/ip_forward", "1"); err != nil {
		return err
	}
	return optional(setSysctl("ipv6/conf/all/forwarding", "1"))
}

// PreparePort brings up the interface of a pod and sets how the kernel treats what comes from it. hostd makes interfaces
// with IPv6 switched off; a pod with an address of that family needs it.
func PreparePort(links Links, name string, ipv6 bool) error {
	link, ok := links.byName[name]
	if !ok {
		return nil
	}
	conf4, conf6 := "ipv4/conf/"+name, "ipv6/conf/"+name
	err := errors.Join(
		setSysctl(conf4+"/forwarding", "1"),
		setSysctl(conf4+"/rp_filter", "1"),      // a second lock beside the firewall's: only sources that are routed here
		setSysctl(conf4+"/send_redirects", "0"), // the guest has one way out, a better one does not exist
		optional(setSysctl(conf6+"/forwarding", "1")),
		optional(setSysctl(conf6+"/accept_ra", "0")), // a guest is no router of the host's
	)
	if err == nil && ipv6 {
		err = setSysctl(conf6+"/disable_ipv6", "0")
	}
	if err != nil {
		return ifPresent(name, err)
	}
	return ifPresent(name, netlink.LinkSetUp(link))
}

// LoosenFilter turns a strict reverse path filter of the interface into a loose one. The request of one host to a NodePort of
// another goes by the underlay, but its answer comes from a pod, and what pods send to hosts goes by the overlay: a strict
// filter would drop one at the one host, the other at the other.
func LoosenFilter(name string) error {
	strict := false
	for _, conf := range []string{"all", name} { // the higher of the two values counts
		value, err := os.ReadFile(filepath.Join(sysctlRoot, "ipv4/conf", conf, "rp_filter"))
		if err != nil {
			return ifPresent(name, err)
		}
		strict = strict || string(value) == "1\n"
	}
	if !strict {
		return nil
	}
	return ifPresent(name, setSysctl("ipv4/conf/"+name+"/rp_filter", "2"))
}

// ifPresent drops errors about an interface that has gone meanwhile.
func ifPresent(name string, err error) error {
	if err == nil {
		return nil
	}
	if _, statErr := os.Stat(filepath.Join(sysctlRoot, "ipv4/conf", name)); errors.Is(statErr, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("prepare interface %s: %w", name, err)
}

// setSysctl leaves a value alone that is right already: writing ip_forward resets other settings.
func setSysctl(name, value string) error {
	path := filepath.Join(sysctlRoot, name)
	current, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if string(current) == value+"\n" {
		return nil
	}
	return os.WriteFile(path, []byte(value), 0)
}

func optional(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
