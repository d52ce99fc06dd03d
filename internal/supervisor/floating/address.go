package floating

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// forever is the lifetime of an address that does not end.
const forever = 1<<32 - 1

// address on an interface of this machine.
type address struct {
	prefix netip.Prefix
	link   string
}

// add gives the interface the address for a time, or prolongs it. The kernel takes it away again when nobody does, so
// that a process that was killed, or hangs, does not keep it. The kernel counts in seconds.
func (a address) add(lifetime time.Duration) error {
	link, err := netlink.LinkByName(a.link)
	if err != nil {
		return fmt.Errorf("interface %s: %w", a.link, err)
	}
	seconds := forever
	if lifetime > 0 {
		seconds = int((lifetime + time.Second - 1) / time.Second)
	}
	err = netlink.AddrReplace(link, &netlink.Addr{IPNet: a.ipNet(), ValidLft: seconds, PreferedLft: seconds})
	if err != nil {
		return fmt.Errorf("give %s the address %v: %w", a.link, a.prefix, err)
	}
	return nil
}

// remove takes the address away if it is there.
func (a address) remove() error {
	link, err := netlink.LinkByName(a.link)
	if err != nil {
		return fmt.Errorf("interface %s: %w", a.link, err)
	}
	if err := netlink.AddrDel(link, &netlink.Addr{IPNet: a.ipNet()}); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("take the address %v from %s: %w", a.prefix, a.link, err)
	}
	return nil
}

func (a address) ipNet() *net.IPNet {
	return &net.IPNet{IP: a.prefix.Addr().AsSlice(), Mask: net.CIDRMask(a.prefix.Bits(), 32)}
}

// announce tells all machines of the network that the address is here now: an ARP announcement, RFC 5227 section 2.3.
func (a address) announce() error {
	link, err := net.InterfaceByName(a.link)
	if err != nil {
		return err
	}
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("announce %v: %w", a.prefix.Addr(), err)
	}
	defer unix.Close(socket)
	to := &unix.SockaddrLinklayer{Protocol: swap(unix.ETH_P_ARP), Ifindex: link.Index, Halen: 6, Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	if err := unix.Sendto(socket, announcement(link.HardwareAddr, a.prefix.Addr()), 0, to); err != nil {
		return fmt.Errorf("announce %v on %s: %w", a.prefix.Addr(), a.link, err)
	}
	return nil
}

// announcement is an ARP request (RFC 826) in which sender and target are the same address.
func announcement(hardware net.HardwareAddr, ip netip.Addr) []byte {
	packet := binary.BigEndian.AppendUint16(nil, 1)               // Ethernet
	packet = binary.BigEndian.AppendUint16(packet, unix.ETH_P_IP) // IPv4
	packet = append(packet, 6, 4)                                 // lengths of their addresses
	packet = binary.BigEndian.AppendUint16(packet, 1)             // request
	packet = append(append(packet, hardware...), ip.AsSlice()...)
	return append(append(packet, 0, 0, 0, 0, 0, 0), ip.AsSlice()...)
}

// swap to network byte order.
func swap(v uint16) uint16 { return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, v)) }
