package port

import (
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const guestMAC = "02:50:56:01:02:03"

// TestBridgedPort looks at what gets through from a port on the bridge.
func TestBridgedPort(t *testing.T) {
	inNamespace(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = "br0", 1400
	check(netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
	bridge, err := netlink.LinkByName("br0")
	check(err)
	check(netlink.LinkSetUp(bridge))
	name := BridgedName("vm-1", 0)
	for range 2 { // again, as after a crash
		tap, err := OpenBridged(name, "br0", guestMAC)
		check(err)
		check(tap.Close())
	}
	tap, err := OpenBridged(name, "br0", guestMAC)
	check(err)
	defer tap.Close()
	link, err := netlink.LinkByName(name)
	check(err)
	if a := link.Attrs(); a.MasterIndex != bridge.Attrs().Index || a.MTU != 1400 || a.HardwareAddr[0] != 0xfe {
		t.Errorf("tap %+v", a)
	}

	listener := listen(t, "br0")
	for _, frame := range [][]byte{
		arp("02:50:56:ff:ff:ff", "02:50:56:ff:ff:ff", 1), // another source
		arp(guestMAC, "02:50:56:ff:ff:ff", 2),            // speaks for another
		arp(guestMAC, guestMAC, 3),
	} {
		if _, err := tap.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	if got := receive(t, listener); got != 3 {
		t.Errorf("frame %d came through first, want 3", got)
	}

	check(Delete(name))
	check(Delete(name))
	names, err := List()
	if err != nil || len(names) != 0 {
		t.Errorf("left: %v %v", names, err)
	}
}

func TestCheckBridge(t *testing.T) {
	inNamespace(t)
	for _, name := range []string{"nothing", "lo"} {
		if err := CheckBridge(name); err == nil {
			t.Errorf("%s is taken for a bridge", name)
		}
	}
	if err := CheckBridge(""); err != nil {
		t.Error(err)
	}
}

// inNamespace keeps the thread, which is in a network namespace of its own and ends with the test.
func inNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip(err)
	}
}

// arp is an announcement, behind the header of a tap with vnet_hdr. number is the last byte of the address.
func arp(source, sender string, number byte) []byte {
	from, _ := net.ParseMAC(source)
	says, _ := net.ParseMAC(sender)
	frame := make([]byte, 10, 52)
	frame = append(frame, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	frame = append(frame, from...)
	frame = append(frame, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1)
	frame = append(frame, says...)
	frame = append(frame, 10, 0, 0, number, 0, 0, 0, 0, 0, 0, 10, 0, 0, number)
	return frame
}

func listen(t *testing.T, device string) int {
	link, err := net.InterfaceByName(device)
	if err != nil {
		t.Fatal(err)
	}
	const arps = unix.ETH_P_ARP<<8&0xff00 | unix.ETH_P_ARP>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, arps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: arps, Ifindex: link.Index}); err != nil {
		t.Fatal(err)
	}
	limit := unix.NsecToTimeval(int64(10 * time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		t.Fatal(err)
	}
	return fd
}

// receive returns the number of the next frame.
func receive(t *testing.T, fd int) byte {
	t.Helper()
	frame := make([]byte, 100)
	n, err := unix.Read(fd, frame)
	if err != nil || n < 42 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	return frame[31]
}
