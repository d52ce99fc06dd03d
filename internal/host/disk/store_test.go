package disk

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
)

func TestCreateIsIdempotentAndTellsConflicts(t *testing.T) {
	store, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	want := &hostv1.Disk{Id: "a", SizeBytes: 3<<20 + 1}
	first, err := store.Create(ctx, want)
	if err != nil {
		t.Fatal(err)
	}
	if first.SizeBytes != 4<<20 || first.AllocatedBytes != 0 {
		t.Errorf("disk is %v, want 4 MiB rounded up and nothing allocated", first)
	}
	if _, err := store.Create(ctx, want); err != nil {
		t.Errorf("second create: %v", err)
	}
	if _, err := store.Create(ctx, &hostv1.Disk{Id: "a", SizeBytes: 8 << 20}); status.Code(err) != codes.AlreadyExists {
		t.Errorf("other size: %v, want ALREADY_EXISTS", err)
	}
	for _, bad := range []*hostv1.Disk{{Id: "../a", SizeBytes: 1}, {Id: "b"}, {Id: "image-b", SizeBytes: 1}, {Id: "b", SizeBytes: 1 << 30, Filesystem: "xfs"}} {
		if _, err := store.Create(ctx, bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v, want INVALID_ARGUMENT", bad, err)
		}
	}
	for range 2 {
		if err := store.Delete(ctx, "a"); err != nil {
			t.Error(err)
		}
	}
	if disks, err := store.List(); err != nil || len(disks) != 0 {
		t.Errorf("after delete: %v %v", disks, err)
	}
}

func TestDeleteRefusesWhatAMachineHas(t *testing.T) {
	store, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	store.GuardBy(func(string) string { return "m" })
	if err := store.Delete(context.Background(), "a"); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("%v, want FAILED_PRECONDITION", err)
	}
}

func TestExt4IsSoundAndSparse(t *testing.T) {
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("no e2fsprogs here")
	}
	dir := t.TempDir()
	store, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	made, err := store.Create(context.Background(), &hostv1.Disk{Id: "a", SizeBytes: 2 << 30, Filesystem: "ext4"})
	if err != nil {
		t.Fatal(err)
	}
	if made.AllocatedBytes == 0 || made.AllocatedBytes > 8<<20 {
		t.Errorf("an empty ext4 takes %d bytes", made.AllocatedBytes)
	}
	path, readOnly, err := store.DiskPath("a")
	if err != nil || readOnly {
		t.Fatal(path, readOnly, err)
	}
	if out, err := exec.Command("e2fsck", "-f", "-n", path).CombinedOutput(); err != nil {
		t.Errorf("e2fsck: %v\n%s", err, out)
	}
}

func TestCloneKeepsContentAndHoles(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	file, err := os.Create(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 1 << 20, 40<<20 - 5} {
		if _, err := file.WriteAt([]byte("hello"), at); err != nil {
			t.Fatal(err)
		}
	}
	file.Close()
	if err := clone(from, to); err != nil {
		t.Fatal(err)
	}
	want, _ := os.ReadFile(from)
	have, _ := os.ReadFile(to)
	if !bytes.Equal(want, have) {
		t.Error("the copy differs")
	}
	if Allocated(to) > 1<<20 {
		t.Errorf("the copy takes %d bytes", Allocated(to))
	}
}

func TestOpenSweepsWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "disks", "a.new")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s is still there", left)
	}
}

func TestDisksLostWithThePowerDoNotHideTheOthers(t *testing.T) {
	dir := t.TempDir()
	store, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"whole", "blank", "damaged"} {
		if _, err := store.Create(context.Background(), &hostv1.Disk{Id: id, SizeBytes: 1 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	for id, text := range map[string]string{"blank": "", "damaged": "{"} {
		if err := os.WriteFile(filepath.Join(dir, "disks", id, "disk.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if store, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	disks, err := store.List()
	if err != nil || len(disks) != 1 || disks[0].Id != "whole" {
		t.Errorf("%v %v", disks, err)
	}
	if _, err := store.Create(context.Background(), &hostv1.Disk{Id: "blank", SizeBytes: 2 << 20}); err != nil {
		t.Errorf("the blank disk is in the way: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "disks", "damaged", "disk.raw")); err != nil {
		t.Errorf("a disk with data was deleted for its damaged description: %v", err)
	}
}
