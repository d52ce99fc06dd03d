package port

import (
	"fmt"

	"github.com/vishvananda/netlink"

	"pacific/internal/dump"
)

// Traffic of a port as the guest sees it: what the tap received the guest sent.
type Traffic struct {
	ReceivedBytes, SentBytes     uint64
	ReceivedPackets, SentPackets uint64
	ReceivedDropped, SentDropped uint64
}

// Traffics of all taps, by name, in one look at the kernel.
func Traffics() (map[string]Traffic, error) {
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	all := map[string]Traffic{}
	for _, link := range links {
		attrs := link.Attrs()
		if link.Type() != "tuntap" || !pattern.MatchString(attrs.Name) || attrs.Statistics == nil {
			continue
		}
		s := attrs.Statistics
		all[attrs.Name] = Traffic{
			ReceivedBytes: s.TxBytes, SentBytes: s.RxBytes,
			ReceivedPackets: s.TxPackets, SentPackets: s.RxPackets,
			ReceivedDropped: s.TxDropped, SentDropped: s.RxDropped,
		}
	}
	return all, nil
}
