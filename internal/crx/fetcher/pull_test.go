package fetcher

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	fetcherv1 "pacific/api/fetcher/v1"
	"pacific/internal/imagebuild"
)

// fixture is a registry over TLS whose answers a test can meddle with.
type fixture struct {
	*httptest.Server
	meddle atomic.Pointer[func(http.Handler) http.Handler]
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{}
	inner := registry.New(registry.Logger(nolog()))
	f.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := f.meddle.Load(); m != nil {
			(*m)(inner).ServeHTTP(w, r)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fixture) answer(m func(inner http.Handler) http.Handler) { f.meddle.Store(&m) }

func (f *fixture) host() string { return strings.TrimPrefix(f.URL, "https://") }

func (f *fixture) push(t *testing.T, tag string, img imagebuild.Image) {
	t.Helper()
	ref, err := name.ParseReference(f.host() + "/" + tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Push(ref, img, remote.WithTransport(f.Client().Transport)); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) request(tag string) *fetcherv1.FetchRequest {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	return &fetcherv1.FetchRequest{Reference: f.host() + "/" + tag, CaCertificates: ca, Os: "linux", Architecture: "amd64"}
}

func pull(t *testing.T, req *fetcherv1.FetchRequest) (string, *fetcherv1.Result, error) {
	t.Helper()
	root := t.TempDir()
	result, err := Pull(t.Context(), req, new(net.Dialer).DialContext, Host{}, Target{Dir: root}, func(*fetcherv1.FetchProgress) {})
	return root, result, err
}

func wantKind(t *testing.T, err error, kind fetcherv1.Failure_Kind, words string) {
	t.Helper()
	if err == nil {
		t.Fatal("the pull succeeded")
	}
	failure := Classify(err)
	if failure.Kind != kind || !strings.Contains(failure.Message, words) {
		t.Fatalf("got %s: %s\nwant %s with %q", failure.Kind, failure.Message, kind, words)
	}
}

func layerOf(t *testing.T, entries ...imagebuild.Entry) v1.Layer {
	t.Helper()
	l, err := imagebuild.Layer(entries...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func imageOf(t *testing.T, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layers...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// TestTorture needs root, since layers have devices and owners. The expected tree was compared once with what umoci
// makes of the same image; see testdata/torture.txt.
func TestTorture(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	f := newFixture(t)
	img, err := imagebuild.Build(t.Context(), "torture", imagebuild.Inputs{Busybox: standIn(t)})
	if err != nil {
		t.Fatal(err)
	}
	f.push(t, "torture:1", img)
	root, result, err := pull(t, f.request("torture:1"))
	if err != nil {
		t.Fatal(err)
	}
	digest, _ := img.(v1.ImageIndex).Digest()
	if result.ResolvedDigest != digest.String() || result.Digest == result.ResolvedDigest {
		t.Errorf("digests: %v", result)
	}
	tree, err := imagebuild.Tree(root)
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "testdata/torture.txt", strings.Join(tree, "\n")+"\n")
}

// standIn is a program with three applets in busybox's place, so that the tree does not depend on the busybox at hand.
func standIn(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "busybox")
	if err := os.WriteFile(file, []byte("#!/bin/sh\nprintf 'busybox\\nls\\nsh\\n'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("tree differs from %s (UPDATE_GOLDEN=1 rewrites it); got:\n%s", file, got)
	}
}

func TestPathsStayInside(t *testing.T) {
	f := newFixture(t)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	hard := imagebuild.Link("hard", "../../../../../../../../etc/hostname")
	f.push(t, "up:1", imageOf(t, layerOf(t,
		imagebuild.File("../../../../escape", 0o644, []byte("x")).Owned(os.Getuid(), os.Getgid()),
		imagebuild.Symlink("door", outside).Owned(os.Getuid(), os.Getgid()),
		imagebuild.File("door/file", 0o644, []byte("x")).Owned(os.Getuid(), os.Getgid()))))
	root, _, err := pull(t, f.request("up:1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "escape")); err != nil {
		t.Error("a path above the root is to be taken from the root:", err)
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Error("a symbolic link led out of the root")
	}
	f.push(t, "hard:1", imageOf(t, layerOf(t, hard)))
	if _, _, err := pull(t, f.request("hard:1")); err == nil {
		t.Error("a hard link to a file outside worked")
	}
}

func TestFailures(t *testing.T) {
	f := newFixture(t)
	good := imageOf(t, layerOf(t, imagebuild.File("f", 0o644, noise(200<<10)).Owned(os.Getuid(), os.Getgid())))
	f.push(t, "good:1", good)
	other, err := imagebuild.Build(t.Context(), "other-platform", imagebuild.Inputs{})
	if err != nil {
		t.Fatal(err)
	}
	f.push(t, "other:1", other)
	f.push(t, "index:1", mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add: other.(v1.Image), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}}}))
	f.push(t, "notar:1", imageOf(t, raw([]byte("this is no archive"+strings.Repeat(" at all", 200)))))
	f.push(t, "lying:1", lying(t))

	for _, test := range []struct {
		name, tag string
		change    func(*fetcherv1.FetchRequest)
		meddle    func(http.Handler) http.Handler
		kind      fetcherv1.Failure_Kind
		words     string
	}{
		{name: "unknown tag", tag: "good:2", kind: fetcherv1.Failure_NOT_FOUND, words: "MANIFEST_UNKNOWN"},
		{name: "unknown repository", tag: "none:1", kind: fetcherv1.Failure_NOT_FOUND, words: "NAME_UNKNOWN"},
		{name: "other platform", tag: "other:1", kind: fetcherv1.Failure_PLATFORM, words: "linux/arm64, but this host runs linux/amd64"},
		{name: "no such platform in the index", tag: "index:1", kind: fetcherv1.Failure_PLATFORM, words: "linux/arm64/v8"},
		{name: "no archive", tag: "notar:1", kind: fetcherv1.Failure_INVALID, words: "layer sha256:"},
		{name: "content is not what the configuration says", tag: "lying:1", kind: fetcherv1.Failure_DIGEST_MISMATCH, words: "the image configuration says"},
		{name: "bad reference", change: func(r *fetcherv1.FetchRequest) { r.Reference = "UPPER/Case" }, kind: fetcherv1.Failure_INVALID, words: "UPPER"},
		{name: "unknown authority", tag: "good:1", change: func(r *fetcherv1.FetchRequest) { r.CaCertificates = nil }, kind: fetcherv1.Failure_UNREACHABLE, words: "unknown authority"},
		{name: "nobody listens", change: func(r *fetcherv1.FetchRequest) { r.Reference = "127.0.0.1:1/x:1" }, kind: fetcherv1.Failure_UNREACHABLE, words: "connection refused"},
		{name: "wrong manifest for the digest", tag: "good:1", kind: fetcherv1.Failure_NOT_FOUND, words: "MANIFEST_UNKNOWN",
			change: func(r *fetcherv1.FetchRequest) { r.Digest = "sha256:" + strings.Repeat("0", 64) }},
		{name: "corrupt layer", tag: "good:1", meddle: corruptBlobs(100 << 10), kind: fetcherv1.Failure_DIGEST_MISMATCH, words: "the registry's answer has digest"},
		{name: "unauthorized", tag: "good:1", meddle: refuse(http.StatusUnauthorized, "UNAUTHORIZED", "who are you"), kind: fetcherv1.Failure_UNAUTHORIZED, words: "who are you"},
		{name: "denied", tag: "good:1", meddle: refuse(http.StatusForbidden, "DENIED", "not for you"), kind: fetcherv1.Failure_UNAUTHORIZED, words: "not for you"},
		{name: "broken registry", tag: "good:1", meddle: refuse(http.StatusServiceUnavailable, "UNAVAILABLE", "out of order"), kind: fetcherv1.Failure_UNREACHABLE, words: "out of order"},
	} {
		t.Run(test.name, func(t *testing.T) {
			req := f.request(test.tag)
			if test.change != nil {
				test.change(req)
			}
			f.meddle.Store(nil)
			if test.meddle != nil {
				f.answer(test.meddle)
				defer f.meddle.Store(nil)
			}
			_, _, err := pull(t, req)
			wantKind(t, err, test.kind, test.words)
		})
	}
}

// corruptBlobs flips a byte of every blob that is large enough.
func corruptBlobs(at int) func(http.Handler) http.Handler {
	return func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "/blobs/") {
				inner.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			inner.ServeHTTP(rec, r)
			b := rec.Body.Bytes()
			if len(b) > at {
				b[at] ^= 0xff
			}
			w.Write(b)
		})
	}
}

func refuse(status int, code, message string) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
		})
	}
}

// raw is a layer of bytes that are no archive.
func raw(b []byte) v1.Layer {
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
	if err != nil {
		panic(err)
	}
	return l
}

// lying is an image whose configuration names another content than its layer has.
func lying(t *testing.T) v1.Image {
	img := imageOf(t, layerOf(t, imagebuild.Dir("d", 0o755).Owned(os.Getuid(), os.Getgid())))
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.RootFS.DiffIDs[0].Hex = strings.Repeat("a", 64)
	img, err = mutate.ConfigFile(img, config)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestResume: a connection that breaks in a layer is taken up where it broke, with a registry that does ranges and one
// that does not; not for ever.
func TestResume(t *testing.T) {
	firstPause = time.Millisecond
	f := newFixture(t)
	content := noise(600 << 10)
	f.push(t, "big:1", imageOf(t, layerOf(t, imagebuild.File("f", 0o644, content).Owned(os.Getuid(), os.Getgid()))))
	for _, ranges := range []bool{true, false} {
		var breaks atomic.Int32
		f.answer(breaking(&breaks, 3, ranges))
		root, _, err := pull(t, f.request("big:1"))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := os.ReadFile(filepath.Join(root, "f"))
		if !bytes.Equal(got, content) {
			t.Error("wrong content")
		}
		if breaks.Load() < 3 {
			t.Error("nothing broke")
		}
	}
	var breaks atomic.Int32
	f.answer(breaking(&breaks, 1<<30, true))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := Pull(ctx, f.request("big:1"), new(net.Dialer).DialContext, Host{}, Target{Dir: t.TempDir()}, func(*fetcherv1.FetchProgress) {})
	wantKind(t, err, fetcherv1.Failure_UNREACHABLE, "download broke")
}

// breaking cuts the first answers of large blobs after 50 KiB.
func breaking(count *atomic.Int32, limit int32, ranges bool) func(http.Handler) http.Handler {
	return func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "/blobs/") {
				inner.ServeHTTP(w, r)
				return
			}
			asked := r.Header.Get("Range")
			r.Header.Del("Range")
			rec := httptest.NewRecorder()
			inner.ServeHTTP(rec, r)
			b := rec.Body.Bytes()
			status := http.StatusOK
			if from := 0; ranges && asked != "" {
				fmt.Sscanf(asked, "bytes=%d-", &from)
				b, status = b[from:], http.StatusPartialContent
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
			w.WriteHeader(status)
			if len(b) > 100<<10 && count.Add(1) <= limit {
				w.Write(b[:50<<10])
				if f, ok := w.(http.Flusher); ok {
					f.Flush()
				}
				panic(http.ErrAbortHandler)
			}
			w.Write(b)
		})
	}
}

// TestMirrors: the first mirror that has the image is used, without the credentials; a dead one is passed over.
func TestMirrors(t *testing.T) {
	mirror, origin := newFixture(t), newFixture(t)
	mirror.push(t, "app:1", imageOf(t, layerOf(t, imagebuild.File("from-mirror", 0o644, nil).Owned(os.Getuid(), os.Getgid()))))
	var leaked atomic.Bool
	mirror.answer(func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				leaked.Store(true)
			}
			inner.ServeHTTP(w, r)
		})
	})
	req := mirror.request("app:1")
	req.Reference = origin.host() + "/app:1"
	req.Username, req.Password = "user", "secret"
	req.Mirrors = []string{"127.0.0.1:1", mirror.host()}
	root, _, err := pull(t, req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "from-mirror")); err != nil {
		t.Error(err)
	}
	if leaked.Load() {
		t.Error("the mirror saw the registry's credentials")
	}
}

// TestBasicCredentials: credentials come through, wrong ones fail with the registry's words.
func TestBasicCredentials(t *testing.T) {
	f := newFixture(t)
	f.push(t, "app:1", imageOf(t, layerOf(t, imagebuild.Dir("d", 0o755).Owned(os.Getuid(), os.Getgid()))))
	f.answer(func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "anna" || password != "secret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				refuse(http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")(nil).ServeHTTP(w, r)
				return
			}
			inner.ServeHTTP(w, r)
		})
	})
	req := f.request("app:1")
	req.Username, req.Password = "anna", "secret"
	if _, _, err := pull(t, req); err != nil {
		t.Fatal(err)
	}
	req.Password = "wrong"
	_, _, err := pull(t, req)
	wantKind(t, err, fetcherv1.Failure_UNAUTHORIZED, "authentication required")
}

// TestPlainHTTPNeedsLeave: a registry without TLS is spoken to only where that is configured.
func TestPlainHTTPNeedsLeave(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(nolog())))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	ref, _ := name.ParseReference(host + "/app:1")
	if err := remote.Push(ref, imageOf(t, layerOf(t, imagebuild.Dir("d", 0o755).Owned(os.Getuid(), os.Getgid())))); err != nil {
		t.Fatal(err)
	}
	req := &fetcherv1.FetchRequest{Reference: host + "/app:1", Os: "linux", Architecture: "amd64"}
	_, _, err := pull(t, req)
	wantKind(t, err, fetcherv1.Failure_UNREACHABLE, "does not look like a TLS handshake")
	req.PlainHttp = true
	if _, _, err := pull(t, req); err != nil {
		t.Fatal(err)
	}
}

func TestChoose(t *testing.T) {
	entry := func(os, arch, variant string) v1.Descriptor {
		return v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: int64(len(variant)),
			Platform: &v1.Platform{OS: os, Architecture: arch, Variant: variant}, URLs: []string{os + arch + variant}}
	}
	index := &v1.IndexManifest{Manifests: []v1.Descriptor{
		entry("unknown", "unknown", ""), entry("linux", "arm64", "v8"), entry("windows", "amd64", ""),
		entry("linux", "amd64", "v3"), entry("linux", "amd64", ""), {MediaType: types.OCIManifestSchema1},
	}}
	for variant, expected := range map[string]string{"": "linuxamd64", "v3": "linuxamd64v3", "v2": "linuxamd64"} {
		want := v1.Platform{OS: "linux", Architecture: "amd64", Variant: variant}
		got, err := choose(index, want)
		if err != nil || got.URLs[0] != expected {
			t.Errorf("%v: got %v, %v", want, got.URLs, err)
		}
	}
	_, err := choose(index, v1.Platform{OS: "linux", Architecture: "s390x"})
	wantKind(t, err, fetcherv1.Failure_PLATFORM, "no image for linux/s390x")
}
