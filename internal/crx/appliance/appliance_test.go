package appliance

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pacific/api/crx"
	"pacific/api/seed"
)

func TestNextDelay(t *testing.T) {
	var got []time.Duration
	delay := time.Duration(0)
	for _, ran := range []time.Duration{time.Second, 0, 0, 0, 0, 0, time.Second, 3 * time.Minute, 0} {
		delay = nextDelay(delay, ran)
		got = append(got, delay/time.Second)
	}
	want := []time.Duration{1, 2, 4, 8, 16, 30, 30, 1, 2}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestParseNotify(t *testing.T) {
	for text, want := range map[string][2]string{
		"READY=1":                   {crx.StageReady, ""},
		"READY=1\nSTATUS=serving":   {crx.StageReady, "serving"},
		"STATUS=waiting for etcd\n": {crx.StageStarting, "waiting for etcd"},
		"MAINPID=7":                 {"", ""},
		"READY=0":                   {"", ""},
	} {
		if stage, message := parseNotify(text); [2]string{stage, message} != want {
			t.Errorf("%q: got %s %q, want %v", text, stage, message, want)
		}
	}
}

func TestLastLine(t *testing.T) {
	var w lastLineWriter
	for _, part := range []string{"first\nsec", "ond\n", "\n \n", "begun"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := w.String(); got != "second" {
		t.Errorf("got %q", got)
	}
	w.Write([]byte(strings.Repeat("x", 1<<20) + "end\n"))
	if got := w.String(); len(got) > maxStatus || !strings.HasSuffix(got, "xend") {
		t.Errorf("got %d bytes", len(got))
	}
}

func TestReporter(t *testing.T) {
	var out bytes.Buffer
	r := &reporter{out: &out}
	r.report(crx.StageStarting, "a")
	r.report(crx.StageStarting, "a")
	r.address("10.0.0.3/24")
	r.report(crx.StageStarting, "a")
	r.report(crx.StageReady, strings.Repeat("x", 2*maxStatus))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || lines[1] != `{"stage":"Starting","message":"a","addresses":["10.0.0.3/24"]}` || len(lines[2]) > 2*maxStatus {
		t.Errorf("got %d lines: %s", len(lines), out.String())
	}
}

func TestEtc(t *testing.T) {
	told := told{seed.Seed{Hostname: "supervisor-1", Network: seed.Network{
		Address: netip.MustParsePrefix("10.0.0.3/24"), Nameservers: []netip.Addr{netip.MustParseAddr("10.0.0.53")},
	}}}
	etc := told.etc()
	if got := etc["/run/pacific/etc/resolv.conf"]; got != "nameserver 10.0.0.53\n" {
		t.Errorf("resolv.conf %q", got)
	}
	if got := etc["/run/pacific/etc/hosts"]; !strings.Contains(got, "10.0.0.3 supervisor-1\n") {
		t.Errorf("hosts %q", got)
	}
}
