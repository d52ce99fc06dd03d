package imagebuild

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const passwd = `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
app:x:1001:1002:application:/home/app:/bin/sh
`

const group = `root:x:0:
tty:x:5:
nogroup:x:65534:
app:x:1002:
extra:x:1003:app
`

// busybox is a small userland: one program and its links.
func busybox(ctx context.Context, in Inputs) (Image, error) {
	layer, err := Userland(ctx, in.Busybox)
	if err != nil {
		return nil, err
	}
	return Assemble(AMD64, v1.Config{Env: []string{DefaultPath}, Cmd: []string{"sh"}}, layer)
}

// DefaultPath is the search path that an image has when it says no other.
const DefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Userland is a layer with a static busybox, links for all that it can do, and what programs expect around it.
func Userland(ctx context.Context, busybox string) (v1.Layer, error) {
	program, err := os.ReadFile(busybox)
	if err != nil {
		return nil, fmt.Errorf("static busybox (Debian's busybox-static has one): %w", err)
	}
	applets, err := exec.CommandContext(ctx, busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list: %w", busybox, err)
	}
	entries := []Entry{
		Dir("bin", 0o755), Dir("etc", 0o755), Dir("home", 0o755), Dir("home/app", 0o750).Owned(1001, 1002),
		Dir("root", 0o700), Dir("tmp", 0o1777), Dir("usr", 0o755), Dir("usr/bin", 0o755), Dir("var", 0o755),
		File("bin/busybox", 0o755, program),
		File("etc/passwd", 0o644, []byte(passwd)), File("etc/group", 0o644, []byte(group)),
		Symlink("usr/bin/env", "../../bin/busybox"),
	}
	for _, applet := range strings.Fields(string(applets)) {
		if applet != "busybox" {
			entries = append(entries, Symlink("bin/"+applet, "busybox"))
		}
	}
	return Layer(entries...)
}
