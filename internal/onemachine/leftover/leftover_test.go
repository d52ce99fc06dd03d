package leftover

import (
	"slices"
	"strings"
	"testing"

	"pacific/internal/onemachine/layout"
)

func TestBelongs(t *testing.T) {
	l := layout.Layout{ID: 1, Home: "/var/lib/pacific"}
	for command, want := range map[string]bool{
		"/opt/bin/hostd --run-dir=/run/pacific/1/host-1":                           true,
		"/opt/bin/hostd --run-dir=/run/pacific/12/host-1 --state-dir=/srv/other/x": false,
		"/opt/bin/registry --data-dir=/var/lib/pacific/registry":                   true,
		"/opt/bin/registry --data-dir=/mnt/var/lib/pacific/registry":               false,
		"/usr/bin/qemu-system-x86_64 -qmp unix:/run/pacific/1/host-1/a/qmp.sock":   true,
		"/usr/bin/qemu-system-x86_64 -chardev socket,path=/run/pacific/1/host-1/s": true,
		"/usr/bin/qemu-system-x86_64 -drive file=/home/me/disk":                    false,
		"tail -f /var/lib/pacific/log/supervisor.log":                              false,
		"/opt/bin/pacific host agent --dir=/var/lib/pacific/hosts/host-1":          true,
		"/opt/bin/center --data-dir=/var/lib/pacific/center":                       true,
		"pacific host join --dir=/var/lib/pacific/hosts/host-1":                    false,
		"pacific keeper --home=/var/lib/pacific/":                                  false,
		"": false,
	} {
		if got := belongs(strings.Split(command, " "), l); got != want {
			t.Errorf("%v: %s", got, command)
		}
	}
}

func TestMountPoints(t *testing.T) {
	info := `1 0 8:1 / / rw - ext4 /dev/sda rw
30 1 0:30 / /run/pacific/1/host-1/chroot rw - tmpfs tmpfs rw
31 1 0:31 / /run/pacific/12/x rw - tmpfs tmpfs rw
32 1 0:32 / /var/lib/pacific rw - ext4 /dev/sdb rw
33 1 0:33 / /var/lib/pacific/a\040b rw - tmpfs tmpfs rw
`
	got := mountPoints(info, []string{"/run/pacific/1", "/var/lib/pacific"})
	if want := []string{"/run/pacific/1/host-1/chroot", "/var/lib/pacific/a b"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
