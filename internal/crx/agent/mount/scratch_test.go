package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	agentv1 "pacific/api/agent/v1"

	"google.golang.org/protobuf/proto"
)

func TestScratch(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	root := t.TempDir()
	v := &Volumes{Dir: filepath.Join(root, "volumes"), Ephemeral: filepath.Join(root, "disk")}
	file := func(path, data string, mode int32) *agentv1.File {
		return &agentv1.File{Path: path, Data: []byte(data), Mode: mode, Uid: proto.Int64(1000), Gid: proto.Int64(7)}
	}
	sub := file("sub", "", 0o750)
	sub.Directory = true
	volume := &agentv1.Volume{Name: "v", Source: &agentv1.Volume_Scratch_{Scratch: &agentv1.Volume_Scratch{Files: []*agentv1.File{
		file("kept", "k", 0o640), file("written", "old", 0o644), file("gone", "g", 0o644), sub, file("sub/deep", "d", 0o600),
	}}}}
	read := func() string {
		t.Helper()
		got, err := v.ReadScratch("v")
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, f := range got.Changed {
			words = append(words, fmt.Sprintf("%s=%s/%o/%d:%d/%v", f.Path, f.Data, f.Mode, f.GetUid(), f.GetGid(), f.Directory))
		}
		return strings.Join(append(words, got.Removed...), " ")
	}
	dir := v.Path("v")
	for range 2 { // made again it stays as it is
		if err := v.Make(t.Context(), volume); err != nil {
			t.Fatal(err)
		}
		if got := read(); got != "" {
			t.Errorf("changed at once: %s", got)
		}
	}
	err := errors.Join(os.WriteFile(dir+"/written", []byte("new"), 0o644), os.Remove(dir+"/gone"), os.WriteFile(dir+"/sub/made", nil, 0o600),
		os.Mkdir(dir+"/empty", 0o700), os.Symlink("/etc/passwd", dir+"/link"))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Make(t.Context(), volume); err != nil {
		t.Fatal(err)
	}
	if got, want := read(), "empty=/700/0:0/true sub/made=/600/0:0/false written=new/644/1000:7/false gone"; got != want {
		t.Errorf("changes\n%s, want\n%s", got, want)
	}
	if err := os.Truncate(dir+"/written", MaxScratch); err != nil {
		t.Fatal(err)
	}
	if _, err := v.ReadScratch("v"); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := v.ReadScratch("other"); err == nil {
		t.Error("another volume was read")
	}
	outside := &agentv1.Volume{Name: "bad", Source: &agentv1.Volume_Scratch_{Scratch: &agentv1.Volume_Scratch{Files: []*agentv1.File{file("../out", "", 0o600)}}}}
	if err := v.Make(t.Context(), outside); err == nil || !strings.Contains(err.Error(), "not below") {
		t.Error(err)
	}
}
