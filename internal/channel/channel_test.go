package channel

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"
)

// fakePort has the semantics of a devicePort: hosts come and go, a Write waits for one, a Read tells once that it went.
type fakePort struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when host or the deadlines change
	host     net.Conn
	expired  bool
	hostless bool // told by Read
}

func newFakePort() *fakePort { return &fakePort{changed: make(chan struct{}), hostless: true} }

func socketpair() (net.Conn, net.Conn) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	var conns [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socketpair")
		conns[i], _ = net.FileConn(f)
		f.Close()
	}
	return conns[0], conns[1]
}

// connect makes a connection for a host, in place of the one before.
func (p *fakePort) connect() net.Conn {
	host, guest := socketpair()
	p.update(func() {
		if p.host != nil {
			p.host.Close()
		}
		p.host = guest
		if p.expired {
			guest.SetDeadline(time.Unix(1, 0))
		}
	})
	return host
}

func (p *fakePort) update(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *fakePort) state() (net.Conn, bool, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.host, p.expired, p.changed
}

func (p *fakePort) transfer(op func(net.Conn) (int, error), gone func(net.Conn) bool) (int, error) {
	for {
		host, expired, changed := p.state()
		if expired {
			return 0, errors.New("deadline")
		}
		if host != nil {
			n, err := op(host)
			_, expired, _ := p.state()
			if err == nil || n > 0 || expired {
				return n, err
			}
			if gone(host) {
				return 0, io.EOF
			}
		}
		<-changed
	}
}

func (p *fakePort) Read(b []byte) (int, error) {
	return p.transfer(func(c net.Conn) (int, error) { return c.Read(b) }, func(c net.Conn) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.host == c {
			p.host = nil
		}
		return true
	})
}

func (p *fakePort) Write(b []byte) (int, error) {
	return p.transfer(func(c net.Conn) (int, error) { return c.Write(b) }, func(net.Conn) bool { return false })
}

func (p *fakePort) SetDeadline(t time.Time) error {
	p.update(func() {
		p.expired = !t.IsZero()
		if p.host != nil {
			p.host.SetDeadline(t)
		}
	})
	return nil
}
func (p *fakePort) SetWriteDeadline(t time.Time) error { return p.SetDeadline(t) }

// echo answers each stream with its header's address and then what it reads.
func echo(s *Session) {
	for {
		h, conn, err := s.Accept()
		if err != nil {
			return
		}
		go func() {
			io.WriteString(conn, h.Address)
			io.Copy(conn, conn)
			conn.Close()
		}()
	}
}

func startGuest(t *testing.T) *fakePort {
	t.Helper()
	p := newFakePort()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); serve(ctx, p, echo) }()
	t.Cleanup(func() { cancel(); <-done })
	return p
}

func dialFake(t *testing.T, conn net.Conn) *Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := NewSession(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func checkEcho(t *testing.T, s *Session, body []byte) {
	t.Helper()
	conn, err := s.Open(t.Context(), Header{Kind: KindPort, Address: "hi "})
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	go func() {
		conn.Write(body)
		conn.(*Stream).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, append([]byte("hi "), body...)) {
		t.Errorf("echo of %d bytes: got %d bytes, error %v", len(body), len(got), err)
	}
}

func TestConversations(t *testing.T) {
	hello := helloPrefix + strings.Repeat("ab", 16) + "\n"
	before := map[string]string{
		"nothing":                       "",
		"garbage":                       "\x00\x01garbage\n\n\nPACIFIC-",
		"half a hello":                  hello[:len(hello)-5],
		"a hello nobody waited for":     hello,
		"a hello with a wrong nonce":    helloPrefix + "xyz\n" + hello[:20],
		"an escaped hello":              helloPrefix + "\\" + hello[:3],
		"a yamux frame broken off":      "\x00\x00\x00\x01\x00\x00\x00\x01\x00\x01\x00\x00abc",
		"a hello and a frame after it":  hello + "\x00\x00\x00\x01\x00\x00\x00\x01\x00\x01\x00\x00abc",
		"a hello and what is no yamux":  hello + "hello, world",
		"a hello and a hello and a bit": hello + hello + "\n",
	}
	for name, bytes := range before {
		t.Run(name, func(t *testing.T) {
			conn := startGuest(t).connect()
			io.WriteString(conn, bytes)
			checkEcho(t, dialFake(t, conn), []byte("body"))
		})
	}
}

func TestHostIgnoresLeftoversOfTheGuest(t *testing.T) {
	for _, left := range []string{"\x00junk", readyPrefix + "00000000000000000000000000000000\n", strings.Repeat("x", 200_000), "\n\n\nPACIFIC-READY"} {
		host, guest := socketpair()
		go func() {
			hello := make([]byte, len(helloPrefix)+nonceDigits+1)
			io.ReadFull(guest, hello)
			nonce := string(hello[len(helloPrefix) : len(hello)-1])
			io.WriteString(guest, left+readyPrefix+nonce+"\n")
		}()
		if err := greet(host, bufio.NewReader(host)); err != nil {
			t.Errorf("after %.20q: %v", left, err)
		}
	}
}

func TestReconnect(t *testing.T) {
	p := startGuest(t)
	var last *Session
	for i := range 20 {
		s := dialFake(t, p.connect())
		checkEcho(t, s, fmt.Appendf(nil, "round %d", i))
		if i%2 == 0 {
			s.Close() // else the next host just takes over
		}
		last = s
	}
	checkEcho(t, last, []byte("still here"))
}

// A host that dies within a frame leaves the guest waiting for the rest of it; the next HELLO must get through.
func TestHelloWithinFrame(t *testing.T) {
	p := newFakePort()
	go serve(t.Context(), p, echo)
	conn := p.connect()
	greetRaw(t, conn)
	io.WriteString(conn, "\x00\x00\x00\x01\x00\x00\x00\x01\x00\x03\x00\x00 a few of 196608 bytes")
	checkEcho(t, dialFake(t, conn), []byte("second host"))
}

func greetRaw(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := greet(conn, bufio.NewReader(conn)); err != nil {
		t.Fatal(err)
	}
}

func TestManyStreams(t *testing.T) {
	s := dialFake(t, startGuest(t).connect())
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			body := make([]byte, 300_000)
			rand.Read(body)
			copy(body[1000:], helloPrefix+strings.Repeat("0", 32)+"\n") // data that looks like a HELLO
			checkEcho(t, s, body)
		})
	}
	wg.Wait()
	deadline := time.After(10 * time.Second)
	for s.mux.NumStreams() > 0 {
		select {
		case <-deadline:
			t.Fatalf("%d streams leak", s.mux.NumStreams())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestGuestOpens(t *testing.T) {
	p := newFakePort()
	go serve(t.Context(), p, func(s *Session) {
		conn, _ := s.Open(context.Background(), Header{Kind: KindDial, Address: "registry:5000"})
		io.WriteString(conn, "data")
		conn.Close()
	})
	s := dialFake(t, p.connect())
	h, conn, err := s.Accept()
	if err != nil || h.Kind != KindDial || h.Address != "registry:5000" {
		t.Fatal(h, err)
	}
	if b, err := io.ReadAll(conn); string(b) != "data" || err != nil {
		t.Fatal(string(b), err)
	}
}

func TestDialGivesUp(t *testing.T) {
	host, guest := socketpair()
	go io.Copy(io.Discard, guest)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := NewSession(ctx, host); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestEscape(t *testing.T) {
	cases := []string{"", "\n", "abc", helloPrefix, helloPrefix + helloPrefix, "\n" + helloPrefix + "\\", helloPrefix[:8] + helloPrefix + "x", "\n\n\nPACIFIC-HELL\nPACIFIC-HELLO y"}
	for _, data := range cases {
		for _, chunk := range []int{1, 3, 1000} {
			var wire bytes.Buffer
			e := escaper{w: &wire}
			for rest := []byte(data); len(rest) > 0; {
				n := min(chunk, len(rest))
				if w, err := e.Write(rest[:n]); w != n || err != nil {
					t.Fatal(w, err)
				}
				rest = rest[n:]
			}
			sent := wire.String()
			in := &inbound{r: bufio.NewReader(iotest.OneByteReader(&wire))}
			got, err := io.ReadAll(in)
			if string(got) != data || err != nil {
				t.Errorf("%q in pieces of %d went as %q and came as %q, %v", data, chunk, sent, got, err)
			}
		}
	}
}
