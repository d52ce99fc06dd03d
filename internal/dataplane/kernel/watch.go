package kernel

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// watchBuffer holds the messages of some thousand changes at once.
const watchBuffer = 1 << 20

// Watcher calls Changed when the kernel reports a change that may matter: any of a link, of a rule, or of a route or
// neighbour that is the dataplane's. It tells only that there was one; who wants to know what, reads the state.
type Watcher struct {
	Changed func()
	// OwnLinks are the indexes of the interfaces whose neighbour entries matter.
	OwnLinks atomic.Pointer[map[int]bool]
}

// Run watches until ctx is done.
func (w *Watcher) Run(ctx context.Context) error {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		return fmt.Errorf("subscribe to netlink: %w", err)
	}
	stop := context.AfterFunc(ctx, socket.Close)
	defer stop()
	defer socket.Close()
	if err := socket.SetReceiveBufferSize(watchBuffer, true); err != nil {
		klog.InfoS("The netlink socket keeps its small buffer", "err", err)
	}
	w.Changed() // what happened before the subscription
	for {
		messages, _, err := socket.Receive()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == unix.ENOBUFS: // messages were lost
			w.Changed()
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("receive from netlink: %w", err)
		}
		for _, message := range messages {
			if w.matters(message) {
				w.Changed()
				break
			}
		}
	}
}

func (w *Watcher) matters(message syscall.NetlinkMessage) bool {
	switch message.Header.Type {
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return len(message.Data) >= unix.SizeofRtMsg && message.Data[5] == Protocol // rtm_protocol
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		neighbour, err := netlink.NeighDeserialize(message.Data)
		own := w.OwnLinks.Load()
		return err == nil && own != nil && (*own)[neighbour.LinkIndex]
	}
	return true
}
