//go:build e2e

package image_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"golang.org/x/crypto/bcrypt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	fetcherv1 "pacific/api/fetcher/v1"
	hostv1 "pacific/api/host/v1"
	"pacific/internal/crx/fetcher"
	"pacific/internal/imagebuild"
	"pacific/internal/pki"
	"pacific/internal/registry"
)

// The tests run hostd as a process, its CRX in QEMU, and the project's registry over TLS with passwords, in a network
// namespace. They need root, QEMU, busybox-static, and the guest files in bin/guest; PACIFIC_GUEST_DIR overrides that.
//
//	go test -tags e2e ./internal/host/image/
func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		fmt.Println("skipped: needs root")
		return
	}
	if os.Getenv(inNamespace) == "" {
		os.Exit(again())
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		fmt.Println(err, string(out))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const inNamespace = "PACIFIC_TEST_IN_NAMESPACE"

func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if err := cmd.Run(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

const (
	hostdAddress = "127.0.0.1:7443"
	hub          = "127.0.0.1:5000"
)

// world is a hostd and a registry.
type world struct {
	t             *testing.T
	dir, run      string
	binary, guest string
	hostd         *exec.Cmd
	conn          *grpc.ClientConn
	images        hostv1.ImagesClient
	machines      hostv1.VirtualMachinesClient
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) path(elements ...string) string {
	return filepath.Join(append([]string{w.dir}, elements...)...)
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir()}
	w.guest = os.Getenv("PACIFIC_GUEST_DIR")
	if w.guest == "" {
		w.guest, _ = filepath.Abs("../../../bin/guest")
	}
	for _, file := range []string{"vmlinux", "crx-init", "personalities/fetcher"} {
		if _, err := os.Stat(filepath.Join(w.guest, file)); err != nil {
			t.Skipf("no guest files: %v", err)
		}
	}
	var err error
	w.run, err = os.MkdirTemp("/run", "image-test-")
	w.must(err)
	t.Cleanup(func() { os.RemoveAll(w.run) })
	w.binary = w.path("hostd")
	build := exec.Command("go", "build", "-o", w.binary, "pacific/cmd/hostd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.certificates()
	w.serveRegistry()
	w.start()
	t.Cleanup(w.end)
	w.dial()
	return w
}

func (w *world) certificates() {
	ca, err := pki.LoadOrCreateCA(w.path("ca.crt"), w.path("ca.key"), "test")
	w.must(err)
	local := []net.IP{net.IPv4(127, 0, 0, 1)}
	for _, leaf := range []pki.Leaf{
		{CertFile: w.path("hostd.crt"), KeyFile: w.path("hostd.key"), CommonName: "hostd", Server: true, IPs: local},
		{CertFile: w.path("hub.crt"), KeyFile: w.path("hub.key"), CommonName: "registry", Server: true, IPs: local},
		{CertFile: w.path("admin.crt"), KeyFile: w.path("admin.key"), CommonName: "admin", Client: true},
	} {
		_, err := ca.Ensure(leaf)
		w.must(err)
	}
	w.must(os.MkdirAll(w.path("registries", hub), 0o755))
	pem, err := os.ReadFile(w.path("ca.crt"))
	w.must(err)
	w.must(os.WriteFile(w.path("registries", hub, "ca.crt"), pem, 0o644))
}

func (w *world) serveRegistry() {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	w.must(err)
	w.must(os.WriteFile(w.path("htpasswd"), []byte("anna:"+string(hash)+"\n"), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	w.t.Cleanup(cancel)
	handler, err := registry.New(ctx, registry.Config{DataDir: w.path("hub"), Htpasswd: w.path("htpasswd")})
	w.must(err)
	config, err := pki.ServerConfig(w.path("hub.crt"), w.path("hub.key"), "")
	w.must(err)
	listener, err := net.Listen("tcp", hub)
	w.must(err)
	go registry.Serve(ctx, listener, config, handler)
}

func (w *world) start() {
	w.t.Helper()
	w.hostd = exec.Command(w.binary,
		"--name", "host-t", "--listen", hostdAddress, "--state-dir", w.path("state"), "--run-dir", w.run, "--guest-dir", w.guest,
		"--tls-cert", w.path("hostd.crt"), "--tls-key", w.path("hostd.key"), "--client-ca", w.path("ca.crt"),
		"--cgroup-parent", fmt.Sprintf("/pacific-image-test-%d", os.Getpid()), "--accelerator", "tcg", "--standbys", "0", "--qemu-plugin", "",
		"--registry-config", w.path("registries"))
	w.hostd.Stderr = os.Stderr
	w.must(w.hostd.Start())
}

func (w *world) end() {
	if w.t.Failed() {
		consoles, _ := filepath.Glob(w.path("state", "machines", "*", "console.log"))
		for _, file := range consoles {
			text, _ := os.ReadFile(file)
			w.t.Logf("%s:\n%s", file, text)
		}
	}
	w.hostd.Process.Signal(syscall.SIGTERM)
	w.hostd.Wait()
}

func (w *world) dial() {
	config, err := pki.ClientConfig(w.path("ca.crt"), w.path("admin.crt"), w.path("admin.key"))
	w.must(err)
	conn, err := grpc.NewClient(hostdAddress, grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	w.must(err)
	w.t.Cleanup(func() { conn.Close() })
	w.conn = conn
	w.images, w.machines = hostv1.NewImagesClient(conn), hostv1.NewVirtualMachinesClient(conn)
}

func (w *world) push(name string) string {
	w.t.Helper()
	img, err := imagebuild.Build(w.t.Context(), name, imagebuild.Inputs{Busybox: "/bin/busybox"})
	w.must(err)
	ref := hub + "/" + name + ":1"
	w.must(imagebuild.Push(w.t.Context(), ref, img, w.path("ca.crt"), anna))
	return ref
}

var anna = authn.FromConfig(authn.AuthConfig{Username: "anna", Password: "secret"})

// pull pulls as anna and logs when each stage began.
func (w *world) pull(ctx context.Context, ref, password string) (*hostv1.Image, error) {
	w.t.Helper()
	begin := time.Now()
	stream, err := w.images.Pull(ctx, &hostv1.PullRequest{Reference: ref, Credentials: &hostv1.RegistryCredentials{Username: "anna", Password: password}})
	w.must(err)
	stages, last := "", ""
	for {
		p, err := stream.Recv()
		if err != nil {
			w.t.Logf("pull %s:%s failed after %s: %v", ref, stages, time.Since(begin).Round(time.Millisecond), err)
			return nil, err
		}
		if p.Stage != last {
			last = p.Stage
			stages += fmt.Sprintf(" %s at %s", p.Stage, time.Since(begin).Round(time.Millisecond))
		}
		if p.Image != nil {
			w.t.Logf("pull %s:%s", ref, stages)
			return p.Image, nil
		}
	}
}

// clean checks that no machine, disk or VMM of a pull is left.
func (w *world) clean() {
	w.t.Helper()
	list, err := w.machines.List(w.t.Context(), &hostv1.ListRequest{})
	w.must(err)
	if len(list.Machines) != 0 {
		w.t.Errorf("machines are left: %v", list.Machines)
	}
	if left, _ := filepath.Glob(w.path("state", "images", "pull-*")); len(left) != 0 {
		w.t.Errorf("disks are left: %v", left)
	}
	if left := w.vmms(); len(left) != 0 {
		w.t.Errorf("VMMs are left: %v", left)
	}
}

// vmms are processes that name the run directory on their command line.
func (w *world) vmms() (pids []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		if line, _ := os.ReadFile(file); strings.Contains(string(line), "qemu-system") && strings.Contains(string(line), w.run) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}

func TestImages(t *testing.T) {
	w := newWorld(t)
	t.Run("torture", w.torture)
	t.Run("growing", w.growing)
	t.Run("failures", w.failures)
	t.Run("interruptions", w.interruptions)
}

// torture compares the disk that the CRX made with an unpack on this machine.
func (w *world) torture(t *testing.T) {
	ref := w.push("torture")
	img, err := w.pull(t.Context(), ref, "secret")
	w.must(err)
	var config struct{ Config struct{ User string } }
	w.must(json.Unmarshal(img.Config, &config))
	if config.Config.User != "app" {
		t.Errorf("configuration: %s", img.Config)
	}
	disk, got, want := w.compare(t, ref, img)
	if len(want) < 50 || !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	info, err := os.Stat(disk)
	w.must(err)
	allocated := info.Sys().(*syscall.Stat_t).Blocks * 512
	t.Logf("disk: used %d KiB, allocated %d KiB of %d MiB", img.SizeBytes>>10, allocated>>10, info.Size()>>20)
	if allocated > int64(img.SizeBytes)+(8<<20) {
		t.Error("the disk takes much more than the image has")
	}
	w.eventually("the templates of agent and fetcher are made, whose VMMs are none of pulls", func() bool {
		made, _ := filepath.Glob(w.path("state", "templates", strings.Repeat("[0-9a-f]", 16), "template.json"))
		return len(made) == 2
	})
	w.clean()
}

// growing has what its small file system had to grow for, and no more groups than that.
func (w *world) growing(t *testing.T) {
	ref := w.push("growing")
	img, err := w.pull(t.Context(), ref, "secret")
	w.must(err)
	disk, got, want := w.compare(t, ref, img)
	if len(want) < 26000 || !slices.Equal(got, want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	out, err := exec.Command("dumpe2fs", "-h", disk).CombinedOutput()
	w.must(err)
	if !strings.Contains(string(out), "\nBlock count:              262144\n") {
		t.Errorf("want a file system of 1 GiB: %s", out)
	}
}

// compare returns the disk of an image, what is on it, and what an unpack on this machine makes of the image.
func (w *world) compare(t *testing.T, ref string, img *hostv1.Image) (disk string, got, want []string) {
	disk = w.path("state", "images", strings.TrimPrefix(img.DiskId, "image-"), "disk")
	if out, err := exec.Command("e2fsck", "-fn", disk).CombinedOutput(); err != nil {
		t.Errorf("e2fsck: %v: %s", err, out)
	}
	mount := t.TempDir()
	if out, err := exec.Command("mount", "-t", img.Filesystem, "-o", "ro,loop", disk, mount).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	defer syscall.Unmount(mount, syscall.MNT_DETACH)
	got, err := imagebuild.Tree(mount)
	w.must(err)
	want, err = imagebuild.Tree(w.reference(t, ref))
	w.must(err)
	return disk, got, want
}

func (w *world) reference(t *testing.T, ref string) string {
	pem, err := os.ReadFile(w.path("ca.crt"))
	w.must(err)
	root := t.TempDir()
	_, err = fetcher.Pull(t.Context(), &fetcherv1.FetchRequest{
		Reference: ref, Username: "anna", Password: "secret", CaCertificates: pem, Os: "linux", Architecture: "amd64",
	}, new(net.Dialer).DialContext, fetcher.Host{}, fetcher.Target{Dir: root}, func(*fetcherv1.FetchProgress) {})
	w.must(err)
	return root
}

func (w *world) failures(t *testing.T) {
	w.push("busybox")
	other := w.push("other-platform")
	corrupt := hub + "/corrupt:1"
	w.must(imagebuild.PushCorrupt(t.Context(), corrupt, w.path("hub"), w.path("ca.crt"), anna))
	w.must(os.MkdirAll(w.path("registries", "127.0.0.1:5001"), 0o755))
	for _, test := range []struct {
		name, ref, password string
		code                codes.Code
		words               string
	}{
		{"unknown tag", hub + "/busybox:none", "secret", codes.NotFound, "MANIFEST_UNKNOWN"},
		{"unknown repository", hub + "/none:1", "secret", codes.NotFound, "MANIFEST_UNKNOWN"},
		{"wrong credentials", hub + "/busybox:1", "wrong", codes.Unauthenticated, "UNAUTHORIZED: authentication required"},
		{"registry down", "127.0.0.1:5001/busybox:1", "secret", codes.Unavailable, "connect: connection refused"},
		{"corrupted layer", corrupt, "secret", codes.DataLoss, "the registry's answer has digest"},
		{"other platform", other, "secret", codes.NotFound, "linux/arm64, but this host runs linux/amd64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := *w
			w.t = t
			_, err := w.pull(t.Context(), test.ref, test.password)
			if status.Code(err) != test.code || !strings.Contains(status.Convert(err).Message(), test.words) {
				t.Errorf("got %v, want %s with %q", err, test.code, test.words)
			}
			w.clean()
		})
	}
}

// interruptions: a caller that goes away, and hostd's death.
func (w *world) interruptions(t *testing.T) {
	ref := w.push("large")
	ctx, cancel := context.WithCancel(t.Context())
	w.begin(ctx, ref)
	cancel()
	w.eventually("the machine of a pull that nobody waits for is gone", func() bool { return len(w.vmms()) == 0 })
	w.eventually("its disk is gone", func() bool { left, _ := filepath.Glob(w.path("state", "images", "pull-*")); return len(left) == 0 })

	w.begin(t.Context(), ref)
	w.must(w.hostd.Process.Kill())
	w.hostd.Wait()
	// A call on a connection that is dead without its client's knowledge would fail instead of waiting for the next hostd.
	if w.conn.GetState() == connectivity.Ready {
		w.conn.WaitForStateChange(t.Context(), connectivity.Ready)
	}
	if len(w.vmms()) == 0 {
		t.Log("the VMM was gone before hostd came back")
	}
	w.start()
	w.must(func() error { _, err := w.images.List(t.Context(), &hostv1.ListImagesRequest{}); return err }())
	w.clean()
	img, err := w.pull(t.Context(), ref, "secret")
	w.must(err)
	if img.SizeBytes < 50<<20 {
		t.Errorf("size %d", img.SizeBytes)
	}
	if _, err := w.images.Remove(t.Context(), &hostv1.RemoveImageRequest{Digest: img.Digest}); err != nil {
		t.Error(err)
	}
	w.clean()
}

// begin starts a pull and returns when it downloads.
func (w *world) begin(ctx context.Context, ref string) {
	w.t.Helper()
	stream, err := w.images.Pull(ctx, &hostv1.PullRequest{Reference: ref, Credentials: &hostv1.RegistryCredentials{Username: "anna", Password: "secret"}})
	w.must(err)
	for {
		p, err := stream.Recv()
		if errors.Is(err, io.EOF) || err != nil {
			w.t.Fatal(err)
		}
		if p.Stage == "unpacking" {
			return
		}
	}
}

func (w *world) eventually(what string, good func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !good(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("never: ", what)
		}
	}
}
