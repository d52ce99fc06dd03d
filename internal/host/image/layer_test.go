package image

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	fetcherv1 "pacific/api/fetcher/v1"
	"pacific/internal/channel"
	"pacific/internal/crx/fetcher"
	"pacific/internal/host/image/layercache"
	"pacific/internal/imagebuild"
)

// hub is a registry that counts the bytes of blobs that it sends.
type hub struct {
	*httptest.Server
	mu    sync.Mutex
	sent  int
	limit int // of one answer, after which the connection breaks; 0 for none
}

func newHub(t *testing.T) *hub {
	h := &hub{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			h.blob(inner, w, r)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

// blob serves ranges, which the library's registry does not as clients ask for them.
func (h *hub) blob(inner http.Handler, w http.ResponseWriter, r *http.Request) {
	whole := r.Clone(r.Context())
	whole.Header.Del("Range")
	answer := httptest.NewRecorder()
	inner.ServeHTTP(answer, whole)
	if answer.Code != http.StatusOK {
		w.WriteHeader(answer.Code)
		return
	}
	http.ServeContent(&counted{w, h, 0}, r, "", time.Time{}, bytes.NewReader(answer.Body.Bytes()))
}

type counted struct {
	http.ResponseWriter
	hub  *hub
	here int
}

func (c *counted) Write(b []byte) (int, error) {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	if c.hub.limit > 0 && c.here+len(b) > c.hub.limit {
		panic(http.ErrAbortHandler)
	}
	c.here += len(b)
	c.hub.sent += len(b)
	return c.ResponseWriter.Write(b)
}

// since returns what was sent since the last call.
func (h *hub) since() (sent int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sent, h.sent = h.sent, 0
	return sent
}

func (h *hub) address() string { return strings.TrimPrefix(h.URL, "http://") }

func (h *hub) push(t *testing.T, tag string, layers ...v1.Layer) {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(h.address()+"/"+tag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
}

func noiseLayer(t *testing.T, file string, seed byte) v1.Layer {
	t.Helper()
	content := make([]byte, 300_000)
	state := uint32(seed) + 1
	for i := range content {
		state = state*1664525 + 1013904223
		content[i] = byte(state >> 24)
	}
	l, err := imagebuild.Layer(imagebuild.File(file, 0o644, content))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// hostOf is what hostd does for a fetcher, over sockets.
func hostOf(t *testing.T, keeper layerKeeper) fetcher.Host {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			stream, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer stream.Close()
				var header channel.Header
				if channel.ReadLine(stream, &header) == nil {
					services{layers: keeper}.answer(ctx, header, stream)
				}
			}()
		}
	}()
	return fetcher.Host{Sums: true, Open: func(ctx context.Context, header channel.Header) (net.Conn, error) {
		stream, err := new(net.Dialer).DialContext(ctx, "unix", listener.Addr().String())
		if err != nil {
			return nil, err
		}
		return stream, channel.WriteLine(stream, header)
	}}
}

func (h *hub) pull(t *testing.T, ctx context.Context, tag string, host fetcher.Host) error {
	t.Helper()
	root := t.TempDir()
	_, err := fetcher.Pull(ctx, &fetcherv1.FetchRequest{Reference: h.address() + "/" + tag, PlainHttp: true, Os: "linux", Architecture: "amd64"},
		new(net.Dialer).DialContext, host, fetcher.Target{Dir: root}, func(*fetcherv1.FetchProgress) {})
	if err == nil {
		if info, statErr := os.Stat(filepath.Join(root, "base")); statErr != nil || info.Size() != 300_000 {
			t.Errorf("the layer was not unpacked: %v", statErr)
		}
	}
	return err
}

func needRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("unpacking needs root")
	}
}

func TestLayersAreDownloadedOnce(t *testing.T) {
	needRoot(t)
	h := newHub(t)
	base := noiseLayer(t, "base", 1)
	size, err := base.Size()
	if err != nil {
		t.Fatal(err)
	}
	h.push(t, "a:1", base, noiseLayer(t, "a", 2))
	h.push(t, "b:1", base, noiseLayer(t, "b", 3))
	cache, err := layercache.Open(t.TempDir(), func() uint64 { return 1 << 30 })
	if err != nil {
		t.Fatal(err)
	}
	host := hostOf(t, layerKeeper{cache, h.address()})
	pull := func(tag string) int {
		t.Helper()
		if err := h.pull(t, t.Context(), tag, host); err != nil {
			t.Fatal(tag, err)
		}
		return h.since()
	}
	if sent := pull("a:1"); int64(sent) < 2*size {
		t.Errorf("%d bytes for two layers", sent)
	}
	if sent := pull("b:1"); int64(sent) < size || int64(sent) > size+20_000 {
		t.Errorf("%d bytes for the one layer that is not there", sent)
	}
	if sent := pull("a:1"); sent > 20_000 {
		t.Errorf("%d bytes for layers that are there", sent)
	}

	// Another registry's layers are another's.
	if err := h.pull(t, t.Context(), "a:1", hostOf(t, layerKeeper{cache, "other"})); err != nil {
		t.Fatal(err)
	}
	if sent := h.since(); int64(sent) < 2*size {
		t.Error("layers of another registry were used")
	}

	// A layer that the registry does not give to these credentials any more is not given by the host either.
	digest, _ := base.Digest()
	h.Config.Handler = refusing(h.Config.Handler, digest.String())
	if err := h.pull(t, t.Context(), "a:1", host); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("refused layer: %v", err)
	}
}

func refusing(inner http.Handler, digest string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, digest) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// TestDamagedLayer: what went bad on the host is deleted, and the next pull downloads it.
func TestDamagedLayer(t *testing.T) {
	needRoot(t)
	h := newHub(t)
	base := noiseLayer(t, "base", 1)
	h.push(t, "a:1", base)
	dir := t.TempDir()
	cache, err := layercache.Open(dir, func() uint64 { return 1 << 30 })
	if err != nil {
		t.Fatal(err)
	}
	host := hostOf(t, layerKeeper{cache, h.address()})
	if err := h.pull(t, t.Context(), "a:1", host); err != nil {
		t.Fatal(err)
	}
	digest, _ := base.Digest()
	file := filepath.Join(dir, "layers", h.address(), digest.Hex)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	err = h.pull(t, t.Context(), "a:1", host)
	if failure := fetcher.Classify(err); err == nil || failure.Kind != fetcherv1.Failure_UNREACHABLE || !strings.Contains(failure.Message, "what the host had kept") {
		t.Errorf("damaged layer: %v", err)
	}
	if err := h.pull(t, t.Context(), "a:1", host); err != nil {
		t.Error(err)
	}
}

// TestPullGoesOnAfterTheEndOfItsMachine: what was downloaded before is not downloaded again.
func TestPullGoesOnAfterTheEndOfItsMachine(t *testing.T) {
	needRoot(t)
	h := newHub(t)
	base := noiseLayer(t, "base", 1)
	size, _ := base.Size()
	h.push(t, "a:1", base)
	dir := t.TempDir()
	open := func() *layercache.Cache {
		cache, err := layercache.Open(dir, func() uint64 { return 1 << 30 })
		if err != nil {
			t.Fatal(err)
		}
		return cache
	}
	h.limit = 200_000 // the connection breaks, the fetcher waits to resume, and then its machine ends
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- h.pull(t, ctx, "a:1", hostOf(t, layerKeeper{open(), h.address()})) }()
	for {
		digest, _ := base.Digest()
		if info, err := os.Stat(filepath.Join(dir, "layers", h.address(), digest.Hex+".part")); err == nil && info.Size() > 0 {
			break
		}
		select {
		case err := <-done:
			t.Fatal("the pull ended: ", err)
		default:
		}
	}
	cancel()
	if err := <-done; err == nil {
		t.Fatal("a pull whose machine ended succeeded")
	}
	h.mu.Lock()
	h.limit = 0
	h.mu.Unlock()
	h.since()
	if err := h.pull(t, t.Context(), "a:1", hostOf(t, layerKeeper{open(), h.address()})); err != nil {
		t.Fatal(err)
	}
	if sent := h.since(); int64(sent) >= size {
		t.Errorf("%d bytes were downloaded again", sent)
	}
}

// TestNoRoom: without a cache, or room in it, pulls work as well.
func TestNoRoom(t *testing.T) {
	needRoot(t)
	h := newHub(t)
	h.push(t, "a:1", noiseLayer(t, "base", 1))
	full, err := layercache.Open(t.TempDir(), func() uint64 { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	for _, cache := range []*layercache.Cache{nil, full} {
		if err := h.pull(t, t.Context(), "a:1", hostOf(t, layerKeeper{cache, h.address()})); err != nil {
			t.Error(err)
		}
	}
}
