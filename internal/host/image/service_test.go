package image

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fetcherv1 "pacific/api/fetcher/v1"
	hostv1 "pacific/api/host/v1"
)

func digest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

func quiet(*hostv1.PullProgress) {}

// fetches is a fetcher that writes content and answers with the digests.
func fetches(platform, resolved string) func(context.Context, string, *fetcherv1.FetchRequest, dialer, func(*fetcherv1.FetchProgress)) error {
	return func(_ context.Context, disk string, _ *fetcherv1.FetchRequest, _ dialer, send func(*fetcherv1.FetchProgress)) error {
		if err := os.WriteFile(disk, []byte("disk of "+platform), 0o600); err != nil {
			return err
		}
		send(&fetcherv1.FetchProgress{Stage: "unpacking", BytesDone: 5, BytesTotal: 10})
		send(&fetcherv1.FetchProgress{Result: &fetcherv1.Result{
			Digest: platform, ResolvedDigest: resolved, Filesystem: "ext4", SizeBytes: 7, Config: []byte("opaque")}})
		return nil
	}
}

func (f *fixture) pullRef(ctx context.Context, ref, digest string) (record, error) {
	j, err := newJob(&hostv1.PullRequest{Reference: ref, Digest: digest})
	if err != nil {
		return record{}, err
	}
	return f.ensure(ctx, j, quiet)
}

func TestPullKeepsTheImage(t *testing.T) {
	f := newFixture(t)
	f.machines.fetcher = fetches(digest("a"), digest("1"))
	if _, err := f.pullRef(t.Context(), "busybox", ""); err != nil {
		t.Fatal(err)
	}
	f.restart(t)
	for _, ref := range []string{"busybox", "docker.io/library/busybox:latest", "busybox@" + digest("1"), "busybox:any@" + digest("a")} {
		img, err := f.Get(t.Context(), &hostv1.GetImageRequest{Reference: ref})
		if err != nil || img.Digest != digest("a") || img.SizeBytes != 7 || string(img.Config) != "opaque" {
			t.Errorf("%s: %v, %v", ref, img, err)
		}
	}
	if _, err := f.Get(t.Context(), &hostv1.GetImageRequest{Reference: "busybox:2"}); status.Code(err) != codes.NotFound {
		t.Error(err)
	}
	path, readOnly, err := f.Store.DiskPath(DiskID(digest("a")))
	if err != nil || !readOnly {
		t.Fatal(path, readOnly, err)
	}
	if b, _ := os.ReadFile(path); string(b) != "disk of "+digest("a") {
		t.Errorf("disk: %q", b)
	}
	if len(f.machines.List()) != 0 || len(f.leftovers(t)) != 0 {
		t.Error("left behind:", f.machines.List(), f.leftovers(t))
	}
}

// TestTagsMove: a tag belongs to the image that it was last resolved to; several tags of one digest share a disk, and a
// known digest costs no machine.
func TestTagsMove(t *testing.T) {
	f := newFixture(t)
	f.machines.fetcher = fetches(digest("a"), digest("1"))
	for _, ref := range []string{"r.example/app:1", "r.example/app:stable"} {
		if _, err := f.pullRef(t.Context(), ref, digest("1")); err != nil {
			t.Fatal(err)
		}
	}
	if f.machines.created != 1 {
		t.Errorf("%d machines for one digest", f.machines.created)
	}
	f.machines.fetcher = fetches(digest("b"), digest("2"))
	if _, err := f.pullRef(t.Context(), "r.example/app:stable", digest("2")); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		for ref, want := range map[string]string{"r.example/app:1": digest("a"), "r.example/app:stable": digest("b"), "r.example/app@" + digest("1"): digest("a")} {
			if img, err := f.Get(t.Context(), &hostv1.GetImageRequest{Reference: ref}); err != nil || img.Digest != want {
				t.Errorf("round %d, %s: %v, %v", round, ref, img, err)
			}
		}
		f.restart(t)
	}
}

func TestPullsAreJoined(t *testing.T) {
	f := newFixture(t)
	release := make(chan struct{})
	f.machines.fetcher = func(ctx context.Context, disk string, req *fetcherv1.FetchRequest, d dialer, send func(*fetcherv1.FetchProgress)) error {
		<-release
		return fetches(digest("a"), digest("a"))(ctx, disk, req, d, send)
	}
	impatient, giveUp := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	begun := make(chan struct{}, 10)
	for i := range 5 {
		ctx := t.Context()
		if i == 0 {
			ctx = impatient
		}
		wg.Go(func() {
			j, _ := newJob(&hostv1.PullRequest{Reference: "app:1"})
			_, err := f.ensure(ctx, j, func(*hostv1.PullProgress) {
				select {
				case begun <- struct{}{}:
				default:
				}
			})
			if (err != nil) != (i == 0) {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	for range 5 {
		<-begun
	}
	giveUp() // one caller's end is not the others'
	close(release)
	wg.Wait()
	if f.machines.created != 1 {
		t.Errorf("%d machines", f.machines.created)
	}
}

// TestGivenUpPullLeavesNothing: when the last caller goes, the machine and the disk go; who comes then starts anew.
func TestGivenUpPullLeavesNothing(t *testing.T) {
	f := newFixture(t)
	started := make(chan struct{}, 2)
	f.machines.fetcher = func(ctx context.Context, _ string, _ *fetcherv1.FetchRequest, _ dialer, _ func(*fetcherv1.FetchProgress)) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	if _, err := f.pullRef(ctx, "app:1", ""); status.Code(err) != codes.Canceled {
		t.Fatal(err)
	}
	f.machines.fetcher = fetches(digest("a"), digest("a"))
	if _, err := f.pullRef(t.Context(), "app:1", ""); err != nil {
		t.Fatal(err)
	}
	if f.machines.created != 2 || len(f.machines.List()) != 0 || len(f.leftovers(t)) != 0 {
		t.Error(f.machines.created, f.machines.List(), f.leftovers(t))
	}
}

func TestFailuresHaveCodes(t *testing.T) {
	for kind, code := range map[fetcherv1.Failure_Kind]codes.Code{
		fetcherv1.Failure_UNAUTHORIZED:    codes.Unauthenticated,
		fetcherv1.Failure_NOT_FOUND:       codes.NotFound,
		fetcherv1.Failure_PLATFORM:        codes.NotFound,
		fetcherv1.Failure_UNREACHABLE:     codes.Unavailable,
		fetcherv1.Failure_DIGEST_MISMATCH: codes.DataLoss,
		fetcherv1.Failure_NO_SPACE:        codes.ResourceExhausted,
		fetcherv1.Failure_INVALID:         codes.InvalidArgument,
	} {
		f := newFixture(t)
		f.machines.fetcher = func(_ context.Context, _ string, _ *fetcherv1.FetchRequest, _ dialer, send func(*fetcherv1.FetchProgress)) error {
			send(&fetcherv1.FetchProgress{Failure: &fetcherv1.Failure{Kind: kind, Message: "the registry's words"}})
			return nil
		}
		_, err := f.pullRef(t.Context(), "app:1", "")
		if status.Code(err) != code || status.Convert(err).Message() != "the registry's words" {
			t.Errorf("%s: %v", kind, err)
		}
		if len(f.machines.List()) != 0 || len(f.leftovers(t)) != 0 {
			t.Error("left behind:", f.machines.List(), f.leftovers(t))
		}
	}
}

// TestLyingFetcher: a fetcher that an image has taken over cannot make the host write elsewhere or take another image
// for the one asked for.
func TestLyingFetcher(t *testing.T) {
	for name, result := range map[string]*fetcherv1.Result{
		"path as digest": {Digest: "sha256:../../../etc", ResolvedDigest: digest("1"), Filesystem: "ext4"},
		"other digest":   {Digest: digest("a"), ResolvedDigest: digest("2"), Filesystem: "ext4"},
		"file system":    {Digest: digest("a"), ResolvedDigest: digest("1"), Filesystem: "ntfs"},
	} {
		f := newFixture(t)
		f.machines.fetcher = func(_ context.Context, _ string, _ *fetcherv1.FetchRequest, _ dialer, send func(*fetcherv1.FetchProgress)) error {
			send(&fetcherv1.FetchProgress{Result: result})
			return nil
		}
		if _, err := f.pullRef(t.Context(), "app:1", digest("1")); status.Code(err) != codes.DataLoss {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeadMachine: the machine's end is the pull's end.
func TestDeadMachine(t *testing.T) {
	f := newFixture(t)
	f.machines.fetcher = func(ctx context.Context, _ string, _ *fetcherv1.FetchRequest, _ dialer, _ func(*fetcherv1.FetchProgress)) error {
		for _, g := range f.machines.guests {
			g.stop()
		}
		<-ctx.Done()
		return nil
	}
	if _, err := f.pullRef(t.Context(), "app:1", ""); status.Code(err) != codes.Unavailable {
		t.Fatal(err)
	}
}

// TestInterruptedPullIsCleanedUp: what hostd's death leaves is gone after its start, images stay.
func TestInterruptedPullIsCleanedUp(t *testing.T) {
	f := newFixture(t)
	f.machines.fetcher = fetches(digest("a"), digest("a"))
	if _, err := f.pullRef(t.Context(), "app:1", ""); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"pull-image-0123", strings.Repeat("c", 64)} { // a pull, and a disk without a record
		if err := os.MkdirAll(filepath.Join(f.Store.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(f.Store.dir, dir, diskFile), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.machines.Create(t.Context(), f.machine("image-0123", reference{repository: "x", tag: "1"}), true); err != nil {
		t.Fatal(err)
	}
	pod := &hostv1.VirtualMachine{Spec: &hostv1.VirtualMachineSpec{Id: "pod", Disks: []*hostv1.DiskAttachment{{DiskId: DiskID(digest("a"))}}}}
	f.machines.machines["pod"] = pod
	f.restart(t)
	if left := f.machines.List(); len(left) != 1 || left[0] != pod {
		t.Error("machines:", left)
	}
	entries, _ := os.ReadDir(f.Store.dir)
	if len(entries) != 1 || entries[0].Name() != strings.Repeat("a", 64) {
		t.Error("directories:", entries)
	}
	if _, err := f.Remove(t.Context(), &hostv1.RemoveImageRequest{Digest: digest("a")}); status.Code(err) != codes.FailedPrecondition {
		t.Error("an image in use was removed:", err)
	}
	delete(f.machines.machines, "pod")
	for range 2 {
		if _, err := f.Remove(t.Context(), &hostv1.RemoveImageRequest{Digest: digest("a")}); err != nil {
			t.Error(err)
		}
	}
	if list, _ := f.List(t.Context(), nil); len(list.Images) != 0 {
		t.Error(list)
	}
}

// TestDials: the fetcher's connections are made by the host, those that the policy allows.
func TestDials(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.Copy(conn, conn)
			conn.Close()
		}
	}()
	f := newFixture(t)
	registry := listener.Addr().String()
	if err := os.MkdirAll(filepath.Join(f.RegistryConfig, registry), 0o700); err != nil {
		t.Fatal(err)
	}
	f.machines.fetcher = func(ctx context.Context, disk string, req *fetcherv1.FetchRequest, dial dialer, send func(*fetcherv1.FetchProgress)) error {
		conn, err := dial(registry)
		if err != nil {
			return err
		}
		go conn.Write([]byte("hello"))
		b := make([]byte, 5)
		if _, err := io.ReadFull(conn, b); err != nil || string(b) != "hello" {
			return errors.Join(err, errors.New("no echo"))
		}
		conn.Close()
		if _, err := dial("169.254.169.254:80"); err == nil || !strings.Contains(err.Error(), "link-local") {
			return errors.New("metadata address: " + err.Error())
		}
		if _, err := dial("127.0.0.1:22"); err == nil || !strings.Contains(err.Error(), "this host itself") {
			return errors.New("the host itself: " + err.Error())
		}
		return fetches(digest("a"), digest("a"))(ctx, disk, req, dial, send)
	}
	if _, err := f.pullRef(t.Context(), registry+"/app:1", ""); err != nil {
		t.Fatal(err)
	}
}

func TestPullsAreBounded(t *testing.T) {
	f := newFixture(t)
	f.machines.fetcher = func(ctx context.Context, disk string, req *fetcherv1.FetchRequest, d dialer, send func(*fetcherv1.FetchProgress)) error {
		time.Sleep(5 * time.Millisecond) // long enough for others to come
		return fetches(digest("a"), digest("a"))(ctx, disk, req, d, send)
	}
	var wg sync.WaitGroup
	for _, tag := range []string{"1", "2", "3", "4", "5", "6"} {
		wg.Go(func() {
			if _, err := f.pullRef(t.Context(), "app:"+tag, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if f.machines.peak > maxPulls {
		t.Errorf("%d machines at a time", f.machines.peak)
	}
	img, _ := f.Get(t.Context(), &hostv1.GetImageRequest{Reference: "app:6"})
	if !slices.Contains(img.GetReferences(), "docker.io/library/app:1") {
		t.Error("references:", img.GetReferences())
	}
}
