package pid1

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"pacific/api/crx"
)

// maxQueued messages wait for a host that does not read. Older ones are dropped: the newest state is what counts.
const maxQueued = 64

// link is PID 1's end of the init port. One goroutine does all its I/O, never blocking but in epoll.
//
// A virtio-serial port is no socket. While no host is connected, reads return 0 at once and poll reports a hang-up for
// ever, so a level-triggered wait would spin. The kernel wakes the port's waiters at each connect and disconnect, so an
// edge-triggered wait sleeps until there is news. The descriptor must be non-blocking: a blocking write to a port spins
// in the kernel, with interrupts off, until the host has read.
type link struct {
	events chan<- Event
	poll   int
	wake   int // eventfd: something was queued
	news   int // uevents: a device has come
	port   int // -1 until the port is there

	connected bool
	in        lines

	mu    sync.Mutex
	queue []crx.Message
}

func openLink(events chan<- Event) (*link, error) {
	l := &link{events: events, port: -1}
	var err error
	if l.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	if l.news, err = openUevents(); err != nil {
		return nil, err
	}
	for _, fd := range []int{l.wake, l.news} {
		if err := l.watch(fd, unix.EPOLLIN); err != nil {
			return nil, err
		}
	}
	guard(l.run)
	return l, nil
}

func (l *link) watch(fd int, events uint32) error {
	if err := unix.EpollCtl(l.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// send queues a message; it is dropped when the host goes away before it has been written.
func (l *link) send(msg crx.Message) {
	l.mu.Lock()
	l.queue = append(l.queue, msg)
	if over := len(l.queue) - maxQueued; over > 0 {
		l.queue = l.queue[over:]
	}
	l.mu.Unlock()
	_, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

func (l *link) run() {
	l.open()
	var ready [4]unix.EpollEvent
	for {
		n, err := unix.EpollWait(l.poll, ready[:], -1)
		if err != nil && err != unix.EINTR {
			panic(fmt.Sprintf("epoll: %v", err))
		}
		for i := range max(n, 0) {
			l.handle(ready[i])
		}
	}
}

func (l *link) handle(e unix.EpollEvent) {
	switch int(e.Fd) {
	case l.wake:
		drain(l.wake)
		l.flush()
	case l.news:
		drain(l.news)
		l.open()
	case l.port:
		l.read()
		l.setConnected(e.Events&unix.EPOLLHUP == 0)
		l.flush()
	}
}

// open looks for the port and opens it, once. The first edge comes with the registration.
func (l *link) open() {
	if l.port >= 0 {
		return
	}
	path, err := findInitPort()
	if err != nil || path == "" {
		return
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		l.events <- Malformed{Cause: fmt.Sprintf("open %s: %v", path, err)}
		return
	}
	l.port = fd
	rescuePort.Store(int32(fd))
	if err := l.watch(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLET); err != nil {
		panic(err)
	}
}

func (l *link) setConnected(connected bool) {
	if l.connected == connected {
		return
	}
	l.connected = connected
	if connected {
		l.events <- Connected{}
		return
	}
	l.in = lines{}
	l.mu.Lock()
	l.queue = nil
	l.mu.Unlock()
	l.events <- Disconnected{}
}

func (l *link) read() {
	var buf [4096]byte
	for {
		n, err := unix.Read(l.port, buf[:])
		if err == unix.EINTR {
			continue
		}
		if n <= 0 { // EAGAIN, or no host
			return
		}
		l.setConnected(true)
		for _, line := range l.in.add(buf[:n]) {
			l.events <- parse(line)
		}
	}
}

// parse turns a line from the host into an event.
func parse(line []byte) Event {
	if len(line) == 0 {
		return Resynced{}
	}
	var msg crx.Message
	if err := json.Unmarshal(line, &msg); err != nil {
		return Malformed{Cause: err.Error()}
	}
	return Received{Message: msg}
}

// flush writes what is queued, until the host does not keep up. Each message is one write, which the kernel takes whole
// or not at all.
func (l *link) flush() {
	for l.connected {
		msg, ok := l.take()
		if !ok {
			return
		}
		if !writeMessage(l.port, msg) {
			l.putBack(msg)
			return
		}
		l.events <- Delivered{Message: msg}
	}
}

func (l *link) take() (crx.Message, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return crx.Message{}, false
	}
	msg := l.queue[0]
	l.queue = l.queue[1:]
	return msg, true
}

func (l *link) putBack(msg crx.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = slices.Insert(l.queue, 0, msg)
}

// writeMessage reports whether the port took the message.
func writeMessage(port int, msg crx.Message) bool {
	line, err := json.Marshal(msg)
	if err != nil {
		panic(err) // a message is plain data
	}
	for {
		_, err := unix.Write(port, append(line, '\n'))
		if err != unix.EINTR {
			return err == nil
		}
	}
}
