//go:build e2e

package e2e

import (
	"os"

	"golang.org/x/sys/unix"
)

// wire joins two taps, frame by frame with their vnet headers, as a VMM joins a tap and a guest's virtio-net: segments
// larger than the MTU and checksums that are still to be computed go through as they do there.
type wire struct{ ends [2]*os.File }

// maxFrame is a vnet header, an Ethernet header and the largest IP packet.
const maxFrame = 10 + 14 + 65535

// newWire makes the taps and starts to forward. Closing it removes both.
func (l *lab) newWire(hostNamespace, hostName, guestNamespace, guestName string) *wire {
	l.t.Helper()
	w := &wire{[2]*os.File{l.openTap(hostNamespace, hostName), l.openTap(guestNamespace, guestName)}}
	l.root.Cleanup(w.close)
	go forward(w.ends[0], w.ends[1])
	go forward(w.ends[1], w.ends[0])
	return w
}

func (w *wire) close() {
	w.ends[0].Close()
	w.ends[1].Close()
}

func forward(from, to *os.File) {
	frame := make([]byte, maxFrame)
	for {
		n, err := from.Read(frame)
		if err != nil {
			return
		}
		to.Write(frame[:n]) // a frame that does not fit is lost, as on any wire
	}
}

func (l *lab) openTap(namespace, name string) *os.File {
	l.t.Helper()
	var file *os.File
	var err error
	l.inside(namespace, func() { file, err = openTap(name) })
	check(l.t, err)
	return file
}

func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err == nil {
		// What a Linux guest's virtio-net negotiates.
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4|unix.TUN_F_TSO6|unix.TUN_F_TSO_ECN)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
