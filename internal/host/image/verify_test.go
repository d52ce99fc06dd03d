package image

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/disk"
)

// TestChecksum: holes and zeros are the same, a moved block and a longer file are not.
func TestChecksum(t *testing.T) {
	write := func(size int64, blocks map[int64]string) string {
		path := filepath.Join(t.TempDir(), "disk")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for at, text := range blocks {
			if _, err := f.WriteAt([]byte(text), at); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		sum, err := checksum(path)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	const far = 10 * sumBlock
	want := write(far+100, map[int64]string{0: "a", far: "b"})
	if got := write(far+100, map[int64]string{0: "a", 3 * sumBlock: string(zeros[:]), far: "b"}); got != want {
		t.Error("zeros count")
	}
	for name, other := range map[string]string{
		"changed": write(far+100, map[int64]string{0: "a", far: "c"}),
		"moved":   write(far+100, map[int64]string{0: "a", far - sumBlock: "b"}),
		"longer":  write(far+101, map[int64]string{0: "a", far: "b"}),
		"empty":   write(0, nil),
	} {
		if other == want {
			t.Error(name, "is not seen")
		}
	}
}

func damage(t *testing.T, f *fixture, d string) {
	t.Helper()
	path := f.Store.path(d, diskFile)
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedDiskIsPulledAgain, whether hostd was there when it was damaged or not.
func TestDamagedDiskIsPulledAgain(t *testing.T) {
	for _, restarted := range []bool{true, false} {
		f := newFixture(t)
		f.machines.fetcher = fetches(digest("a"), digest("1"))
		pull := func() {
			t.Helper()
			if _, err := f.pullRef(t.Context(), "busybox", ""); err != nil {
				t.Fatal(err)
			}
		}
		pull()
		damage(t, f, digest("a"))
		if restarted {
			f.restart(t)
		}
		if _, _, err := f.Store.DiskPath(DiskID(digest("a"))); !errors.Is(err, disk.ErrNoDisk) {
			t.Errorf("a damaged disk is given out: %v", err)
		}
		if _, err := f.Get(t.Context(), &hostv1.GetImageRequest{Reference: "busybox"}); status.Code(err) != codes.NotFound {
			t.Errorf("a damaged image is there: %v", err)
		}
		pull()
		if _, _, err := f.Store.DiskPath(DiskID(digest("a"))); err != nil {
			t.Error(err)
		}
		damage(t, f, digest("a"))
		pull() // finds the damage itself
		if b, _ := os.ReadFile(f.Store.path(digest("a"), diskFile)); string(b) != "disk of "+digest("a") {
			t.Errorf("disk: %q", b)
		}
		if f.machines.created != 3 {
			t.Errorf("%d pulls", f.machines.created)
		}
	}
}

// TestRecordsWithoutChecksum are those of an older hostd: what is there is taken as good.
func TestRecordsWithoutChecksum(t *testing.T) {
	f := newFixture(t)
	f.machines.fetcher = fetches(digest("a"), digest("1"))
	if _, err := f.pullRef(t.Context(), "busybox", ""); err != nil {
		t.Fatal(err)
	}
	want := f.Store.images[digest("a")].Checksum
	if err := f.Store.keepChecksum(digest("a"), ""); err != nil {
		t.Fatal(err)
	}
	f.restart(t)
	if err := f.Store.Verify(digest("a")); err != nil {
		t.Error(err)
	}
	f.restart(t)
	if got := f.Store.images[digest("a")].Checksum; got != want || want == "" {
		t.Errorf("checksum %q, want %q", got, want)
	}
}

func TestGarbageCollection(t *testing.T) {
	f := newFixture(t)
	f.Garbage.MinAge = time.Minute
	for i, name := range []string{"old", "used", "young"} {
		d := digest(string("abc"[i]))
		f.machines.fetcher = fetches(d, d)
		if _, err := f.pullRef(t.Context(), name, ""); err != nil {
			t.Fatal(err)
		}
	}
	ago := time.Now().Add(-time.Hour)
	for _, d := range []string{digest("a"), digest("b")} {
		r := f.Store.images[d]
		r.PulledAt = ago
		f.Store.images[d] = r
		delete(f.Store.used, d)
		if err := os.Chtimes(f.Store.path(d, recordFile), ago, ago); err != nil {
			t.Fatal(err)
		}
	}
	f.machines.machines["m"] = &hostv1.VirtualMachine{Spec: &hostv1.VirtualMachineSpec{Id: "m", Disks: []*hostv1.DiskAttachment{{DiskId: DiskID(digest("b"))}}}}

	got, err := f.CollectGarbage(t.Context(), &hostv1.CollectGarbageRequest{FreeBytes: 1 << 40})
	if err != nil || len(got.Removed) != 1 || got.Removed[0] != digest("a") || got.FreedBytes == 0 || got.Error == "" {
		t.Errorf("%v, %v", got, err)
	}
	list, err := f.List(t.Context(), nil)
	if err != nil || len(list.Images) != 2 || list.LastCollection.GetWantedBytes() != 1<<40 {
		t.Errorf("%v, %v", list, err)
	}
	f.touchUsed()
	if last := f.Store.lastUsed(f.Store.images[digest("b")]); time.Since(last) > time.Minute {
		t.Errorf("an image in use was last used at %s", last)
	}
}
