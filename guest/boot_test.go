//go:build e2e

// Package guest_test boots the CRX kernel and PID 1 of bin/guest (or of $PACIFIC_GUEST_DIR) in QEMU.
package guest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pacific/api/crx"
	"pacific/test/bench/boot"
)

// patience with one answer of an emulated machine on a busy host.
const patience = 60 * time.Second

func guestDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("PACIFIC_GUEST_DIR")
	if dir == "" {
		dir = "../bin/guest"
	}
	for _, file := range []string{"vmlinux", "crx-init"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Fatalf("%v: run make guest", err)
		}
	}
	return dir
}

// machine is a booted CRX with the host's end of its init port.
type machine struct {
	*boot.Machine
	t     *testing.T
	conn  net.Conn
	lines *bufio.Scanner
}

func start(t *testing.T, mode string) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "crx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	personality := filepath.Join(dir, "test")
	build := exec.Command("go", "build", "-o", personality, "./testdata/personality")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	o, err := boot.Prepare(dir, guestDir(t), personality)
	if err != nil {
		t.Fatal(err)
	}
	o.Params = []string{"test.mode=" + mode, crx.ParamHostname + "=web-0"}
	b, err := boot.Start(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{Machine: b, t: t}
	t.Cleanup(func() {
		b.Kill()
		if t.Failed() {
			console, _ := os.ReadFile(b.ConsoleFile())
			t.Logf("console:\n%s", console)
		}
	})
	return m
}

func (m *machine) connect() {
	m.t.Helper()
	conn, err := m.Dial()
	if err != nil {
		m.t.Fatal(err)
	}
	m.conn, m.lines = conn, bufio.NewScanner(conn)
	m.t.Cleanup(func() { conn.Close() })
}

func (m *machine) send(line string) {
	m.t.Helper()
	if _, err := fmt.Fprintln(m.conn, line); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) receive() crx.Message {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	if !m.lines.Scan() {
		m.t.Fatalf("no message from PID 1: %v", m.lines.Err())
	}
	var msg crx.Message
	if err := json.Unmarshal(m.lines.Bytes(), &msg); err != nil {
		m.t.Fatalf("%q: %v", m.lines.Text(), err)
	}
	return msg
}

func (m *machine) expectReady() {
	m.t.Helper()
	msg := m.receive()
	if msg.Ready == nil {
		m.t.Fatalf("got %q, want ready", m.lines.Text())
	}
	m.t.Logf("kernel %s, PID 1 at %d ms", msg.Ready.Kernel, msg.Ready.UptimeMillis)
}

// expectOnConsole waits until the personality has got as far as to print the text.
func (m *machine) expectOnConsole(text string) {
	m.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if console, err := os.ReadFile(m.ConsoleFile()); err == nil && strings.Contains(string(console), text) {
			return
		}
	}
	m.t.Fatalf("the console never showed %q", text)
}

func (m *machine) expectPong(nonce uint64) {
	m.t.Helper()
	if msg := m.receive(); msg.Pong == nil || msg.Pong.Nonce != nonce {
		m.t.Fatalf("got %q, want pong %d", m.lines.Text(), nonce)
	}
}

// expectExited also waits for the machine to end.
func (m *machine) expectExited(code, signal int, message string) {
	m.t.Helper()
	msg := m.receive()
	if msg.Exited == nil {
		m.t.Fatalf("got %q, want exited", m.lines.Text())
	}
	if msg.Exited.ExitCode != code || msg.Exited.Signal != signal || !strings.Contains(msg.Exited.Message, message) {
		m.t.Errorf("got %+v, want exit code %d, signal %d, message with %q", *msg.Exited, code, signal, message)
	}
	ended := make(chan error, 1)
	go func() { ended <- m.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			m.t.Error(err)
		}
	case <-time.After(patience):
		m.t.Error("the machine does not end")
	}
}

// TestPrepared lets the personality look at what PID 1 has made of the machine: file systems, cgroups, namespaces,
// pivot_root, reaping.
func TestPrepared(t *testing.T) {
	m := start(t, "check")
	m.connect()
	m.expectReady()
	m.expectExited(42, 0, "")
}

func TestPanickingPersonality(t *testing.T) {
	m := start(t, "panic")
	m.connect()
	m.expectReady()
	m.expectExited(2, 0, "panic: no pod can live here")
}

func TestPowerOff(t *testing.T) {
	m := start(t, "wait")
	m.connect()
	m.expectReady()
	m.expectOnConsole("waiting")
	m.send(`{"powerOff":{"graceMillis":30000}}`)
	m.expectExited(3, 0, "terminated")
}

func TestPowerOffStubborn(t *testing.T) {
	m := start(t, "stubborn")
	m.connect()
	m.expectReady()
	m.expectOnConsole("waiting")
	m.send(`{"powerOff":{"graceMillis":500}}`)
	m.expectExited(137, 9, "")
}

// TestReconnect has hosts come and go, as a host daemon that is killed and restarted does.
func TestReconnect(t *testing.T) {
	m := start(t, "wait")
	m.connect()
	m.expectReady()
	for i := range uint64(3) {
		m.send(fmt.Sprintf(`{"ping":{"nonce":%d}}`, i))
		m.expectPong(i)
		m.send(`{"ping":`) // killed in the middle of a message
		m.conn.Close()
		m.connect()
		m.send("")
		m.expectReady()
	}
	m.conn.Close()
	idle := m.cpuTime()
	time.Sleep(3 * time.Second)
	if used := m.cpuTime() - idle; used > time.Second {
		t.Errorf("the machine used %s of CPU in 3 s without a host", used)
	}
	m.connect()
	m.expectReady()
	m.send(`{"powerOff":{"graceMillis":30000}}`)
	for {
		if msg := m.receive(); msg.Exited != nil {
			return
		}
	}
}

// TestSlowHost does not read while PID 1 has much to say.
func TestSlowHost(t *testing.T) {
	m := start(t, "wait")
	m.connect()
	m.expectReady()
	const pings = 20000
	go func() {
		for i := range pings {
			if _, err := fmt.Fprintf(m.conn, `{"ping":{"nonce":%d}}`+"\n", i); err != nil {
				return
			}
		}
		fmt.Fprintln(m.conn, `{"powerOff":{"graceMillis":30000}}`)
	}()
	time.Sleep(5 * time.Second)
	for {
		if msg := m.receive(); msg.Exited != nil {
			return
		}
	}
}

func TestIdentity(t *testing.T) {
	m := start(t, "wait")
	m.connect()
	m.expectReady()
	m.expectOnConsole("waiting")
	id, err := json.Marshal(crx.Message{Identity: &crx.Identity{
		Entropy: make([]byte, 64), StepNanos: int64(time.Hour), Hostname: "clone-7", MachineID: strings.Repeat("7", 32),
	}})
	if err != nil {
		t.Fatal(err)
	}
	m.send(string(id))
	m.expectReady()
	m.expectOnConsole("waiting")
	m.send(`{"powerOff":{"graceMillis":30000}}`)
	m.expectExited(3, 0, "")
}

// cpuTime is what the VMM has used so far.
func (m *machine) cpuTime() time.Duration {
	m.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.Pid()))
	if err != nil {
		m.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after) // from field 3 of proc(5) on; utime is 14, stime 15, in 1/100 s
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			m.t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
