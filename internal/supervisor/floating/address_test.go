package floating

import (
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestAnnouncement(t *testing.T) {
	got := hex.EncodeToString(announcement(net.HardwareAddr{2, 0, 0, 0, 0, 1}, netip.MustParseAddr("10.77.0.2")))
	const want = "0001" + "0800" + "06" + "04" + "0001" + "020000000001" + "0a4d0002" + "000000000000" + "0a4d0002"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// device makes an interface in a network namespace of the test's own.
func device(t *testing.T) netlink.Link {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	own, err := netlink.ParseAddr("10.77.0.3/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(link, own); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	return link
}

func addresses(t *testing.T, link netlink.Link) (all []string) {
	t.Helper()
	list, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		all = append(all, a.IPNet.String())
	}
	return all
}

func TestTheKernelTakesTheAddressAway(t *testing.T) {
	link := device(t)
	floating := address{prefix: netip.MustParsePrefix("10.77.0.2/24"), link: "eth0"}
	if err := floating.remove(); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
	for range 2 { // and prolongs it
		if err := floating.add(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if err := floating.announce(); err != nil {
		t.Error(err)
	}
	if got := addresses(t, link); len(got) != 2 {
		t.Fatalf("got %v", got)
	}
	for begin := time.Now(); len(addresses(t, link)) != 1; time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("still there: %v", addresses(t, link))
		}
	}
	if got := addresses(t, link); got[0] != "10.77.0.3/24" {
		t.Errorf("the machine's own address is gone, left is %v", got)
	}
}

func TestAnAddressForever(t *testing.T) {
	link := device(t)
	floating := address{prefix: netip.MustParsePrefix("10.77.0.2/32"), link: "eth0"}
	if err := floating.add(0); err != nil {
		t.Fatal(err)
	}
	list, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil || len(list) != 2 || list[1].ValidLft != forever && list[0].ValidLft != list[1].ValidLft {
		t.Fatalf("got %v, %v", list, err)
	}
	if err := floating.remove(); err != nil || len(addresses(t, link)) != 1 {
		t.Errorf("got %v, %v", addresses(t, link), err)
	}
}
