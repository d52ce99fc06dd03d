package preflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"pacific/internal/onemachine/network"
)

// HostWanted is what a machine that joins a center is to be.
type HostWanted struct {
	Accelerator string
	Dir, BinDir string
	Address     string
	// Interface that carries Address; found where it is empty.
	Interface string
}

// HostFacts are what such a machine has.
type HostFacts struct {
	Facts
	// Interface that carries the address, "" for none.
	Interface string
	Bridge    bool    // Interface is a bridge, which virtual machines can share
	Taken     []error // ports of the daemons
	Forwards  bool    // it is a router, or can be made one
}

// HostFiles must be installed on a host.
var HostFiles = []string{
	"hostd", "spherelet", "dataplane",
	"guest/vmlinux", "guest/crx-init", "guest/personalities/agent", "guest/personalities/fetcher",
}

// hostTCPPorts are those of hostd, its metrics and the spherelet.
var hostTCPPorts = []int{7443, 7444, 10250}

// LookHost finds out what a machine has that is to be a host of its own. It changes nothing that stays.
func LookHost(ctx context.Context, w HostWanted) (HostFacts, error) {
	f := HostFacts{Facts: Facts{Root: os.Geteuid() == 0}}
	if !f.Root {
		return f, nil
	}
	for _, command := range Commands {
		if _, err := exec.LookPath(command.Name); err != nil {
			f.MissingCommands = append(f.MissingCommands, command.Name)
		}
	}
	for _, file := range HostFiles {
		if !exists(filepath.Join(w.BinDir, file)) {
			f.MissingFiles = append(f.MissingFiles, file)
		}
	}
	f.KVMDevice, f.TunDevice, f.MissingCgroups = exists("/dev/kvm"), exists("/dev/net/tun"), missingControllers()
	if !slices.Contains(f.MissingCommands, "nft") {
		f.Kernel = network.Probe(ctx)
	}
	f.Forwards = unix.Access("/proc/sys/net/ipv4/ip_forward", unix.W_OK) == nil
	if f.Interface = w.Interface; f.Interface == "" {
		f.Interface = interfaceOf(w.Address)
	}
	if f.Interface != "" {
		f.Taken, f.Bridge = takenPorts(w.Address), isBridge(f.Interface)
	}
	return f, f.measure(w.Dir)
}

func interfaceOf(address string) string {
	links, _ := net.Interfaces()
	for _, link := range links {
		addresses, _ := link.Addrs()
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().String() == address {
				return link.Name
			}
		}
	}
	return ""
}

func isBridge(name string) bool {
	link, err := netlink.LinkByName(name)
	return err == nil && link.Type() == "bridge"
}

func takenPorts(address string) []error {
	var taken []error
	for _, port := range hostTCPPorts {
		listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if err == nil {
			listener.Close()
		} else if errors.Is(err, unix.EADDRINUSE) {
			taken = append(taken, fmt.Errorf("port %d/tcp", port))
		}
	}
	return taken
}

// minimumHostMemory is for the daemons and one pod.
const minimumHostMemory = 1 << 30

// HostProblems compares what a machine has with what a host of its own needs.
func HostProblems(f HostFacts, w HostWanted) []Problem {
	if !f.Root {
		return []Problem{{"not root", "run it as root: a host runs machines, taps and cgroups"}}
	}
	var found []Problem
	add := func(what, do string) { found = append(found, Problem{what, do}) }
	if len(f.MissingCommands) > 0 {
		add("missing commands: "+strings.Join(f.MissingCommands, ", "), "apt-get install "+strings.Join(packagesOf(f.MissingCommands), " "))
	}
	if len(f.MissingFiles) > 0 {
		add(fmt.Sprintf("missing programs: %s in %s", strings.Join(f.MissingFiles, ", "), w.BinDir), "copy bin/ of a build there, or name the directory with --bin-dir")
	}
	found = append(found, machineProblems(f.Facts, w.Accelerator)...)
	if f.Interface == "" {
		add(fmt.Sprintf("no interface has the address %s", w.Address), "give one of this machine's addresses on the management network with --address")
	}
	for _, taken := range f.Taken {
		add(fmt.Sprintf("%v of %s is taken", taken, w.Address), "end what listens there; a host that has joined already is taken out with: pacific host remove")
	}
	if !f.Forwards {
		add("/proc/sys is read-only", "run it in a machine or container that may switch on IP forwarding")
	}
	if f.MemoryAvailable < minimumHostMemory {
		add(fmt.Sprintf("%s of memory available; a host needs %s", gib(f.MemoryAvailable), gib(minimumHostMemory)), "end other programs, or add memory")
	}
	if f.DiskFree < baseDisk {
		add(fmt.Sprintf("%s free for %s; images need %s", gib(f.DiskFree), w.Dir, gib(baseDisk)), "free some, or put the host's files elsewhere with --dir")
	}
	return found
}
