package pid1

import (
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestParseParams(t *testing.T) {
	for _, tt := range []struct {
		cmdline string
		want    Params
	}{
		{"", Params{}},
		{"quiet reboot=t crx.personality=agent crx.hostname=web-0\n", Params{Personality: "agent", Hostname: "web-0"}},
		{"crx.personality=agent  crx.personality=probe", Params{Personality: "probe"}},
		{`dyndbg="file a b" crx.hostname="web"`, Params{Hostname: "web"}},
		{"crx.personality notcrx.hostname=x crx.template=0", Params{}},
		{"crx.personality=agent crx.template=1", Params{Personality: "agent", Template: true}},
	} {
		if got := ParseParams(tt.cmdline); got != tt.want {
			t.Errorf("%q: got %+v, want %+v", tt.cmdline, got, tt.want)
		}
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", maxLine+1)
	for _, tt := range []struct {
		name string
		in   []string
		want []string
	}{
		{"pieces", []string{"a", "b\nc", "\r\n", "d"}, []string{"ab", "c"}},
		{"empty lines", []string{"\n\na\n"}, []string{"", "", "a"}},
		{"too long at once", []string{long + "\nnext\n"}, []string{"next"}},
		{"too long in pieces", []string{long, long, "\nnext\n"}, []string{"next"}},
	} {
		var l lines
		var got []string
		for _, in := range tt.in {
			for _, line := range l.add([]byte(in)) {
				got = append(got, string(line))
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestTail(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []string
		want string
	}{
		{"all", []string{"one\n", "two\n"}, "one\ntwo"},
		{"whole lines", []string{"first line\n", "second\nthird\n"}, "second\nthird"},
		{"one long line", []string{"0123456789abcdefghij"}, "456789abcdefghij"},
		{"no text", []string{"a\xffb\n"}, "a?b"},
	} {
		tail := tail{limit: 16}
		for _, in := range tt.in {
			tail.write([]byte(in))
		}
		if got := tail.String(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestExitCode(t *testing.T) {
	for _, tt := range []struct {
		status       syscall.WaitStatus
		code, signal int
	}{
		{3 << 8, 3, 0},
		{9, 137, 9},
		{0x80 | 11, 139, 11}, // with a core file
	} {
		if code, signal := exitCode(tt.status); code != tt.code || signal != tt.signal {
			t.Errorf("%#x: got %d, %d, want %d, %d", tt.status, code, signal, tt.code, tt.signal)
		}
	}
}

func TestDiskMount(t *testing.T) {
	for _, tt := range []struct {
		line, want string
		ok         bool
	}{
		{"36 35 8:0 / /run/pod/disk rw,noatime shared:1 - ext4 /dev/sda rw", "/run/pod/disk", true},
		{`40 35 0:40 / /run/a\040b rw - overlay overlay rw,lowerdir=/x`, "/run/a b", true},
		{"22 1 0:5 / /dev rw,nosuid - devtmpfs devtmpfs rw", "", false},
		{"", "", false},
	} {
		if got, ok := diskMount(tt.line); got != tt.want || ok != tt.ok {
			t.Errorf("%q: got %q, %v", tt.line, got, ok)
		}
	}
}
