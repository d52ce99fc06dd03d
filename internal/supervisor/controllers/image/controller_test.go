package image

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"

	hostv1 "pacific/api/host/v1"
	"pacific/api/pod"
)

// fakeHost is hostd's image service with images in memory: a pull takes until release is closed, if there is one.
type fakeHost struct {
	hostv1.UnimplementedImagesServer
	mu       sync.Mutex
	images   map[string]string   // digest by reference as it was asked for
	keys     map[string][]string // of those who may use it; none for everybody
	pulls    []*hostv1.PullRequest
	running  int
	fail     error
	release  chan struct{}
	password string // that pulls need
}

func (h *fakeHost) Get(_ context.Context, r *hostv1.GetImageRequest) (*hostv1.Image, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if digest, ok := h.images[r.Reference]; ok {
		if keys := h.keys[r.Reference]; r.VerifyAccess && len(keys) > 0 && !slices.ContainsFunc(r.AccessKeys, func(k string) bool { return slices.Contains(keys, k) }) {
			return nil, status.Error(codes.PermissionDenied, "pulled with other credentials")
		}
		return &hostv1.Image{Digest: digest}, nil
	}
	return nil, status.Error(codes.NotFound, "the host does not have the image")
}

func (h *fakeHost) Pull(r *hostv1.PullRequest, stream grpc.ServerStreamingServer[hostv1.PullProgress]) error {
	h.mu.Lock()
	h.pulls = append(h.pulls, r)
	h.running++
	release, fail, password := h.release, h.fail, h.password
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		h.running--
		h.mu.Unlock()
	}()
	stream.Send(&hostv1.PullProgress{Stage: "starting"})
	if release != nil {
		select {
		case <-release:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
	if password != r.Credentials.GetPassword() {
		return aboutImage(codes.Unauthenticated, "UNAUTHORIZED: authentication required")
	}
	if fail != nil {
		return fail
	}
	digest := "sha256:of-" + r.Reference
	if repository, exact, ok := strings.Cut(r.Reference, "@"); ok {
		digest = exact
		h.set(func(h *fakeHost) { h.images[repository] = digest })
	}
	h.set(func(h *fakeHost) {
		h.images[r.Reference], h.keys[r.Reference] = digest, append(h.keys[r.Reference], r.AccessKeys...)
	})
	return stream.Send(&hostv1.PullProgress{Stage: "done", Image: &hostv1.Image{Digest: digest, SizeBytes: 42}})
}

func (h *fakeHost) set(change func(*fakeHost)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

func aboutImage(code codes.Code, message string) error {
	s, _ := status.New(code, message).WithDetails(&errdetails.ErrorInfo{Reason: "X", Domain: hostv1.ImageErrorDomain})
	return s.Err()
}

// setup is a controller on a fake API server and a fake host.
type setup struct {
	t      *testing.T
	client *fake.Clientset
	host   *fakeHost
	events chan string
	dir    string // registry configuration
	conn   *grpc.ClientConn
}

func newSetup(t *testing.T) *setup {
	s := &setup{t: t, client: fake.NewClientset(), host: &fakeHost{images: map[string]string{}, keys: map[string][]string{}}, dir: t.TempDir()}
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	hostv1.RegisterImagesServer(server, s.host)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///host", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	s.conn = conn
	t.Cleanup(func() { conn.Close() })
	return s
}

// run starts a controller; stop ends it and waits.
func (s *setup) run() (stop func()) {
	recorder := record.NewFakeRecorder(1000)
	s.events = recorder.Events
	c := NewController(Config{
		Client: s.client, Informers: informers.NewSharedInformerFactory(s.client, 0), Recorder: recorder, RegistryConfigDir: s.dir,
		HostDialer: func(context.Context, string) (*grpc.ClientConn, error) { return s.conn, nil },
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	s.t.Cleanup(stop)
	return stop
}

func (s *setup) create(name, image string, policy corev1.PullPolicy, secrets ...string) {
	s.t.Helper()
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Spec:       corev1.PodSpec{NodeName: "host-1", Containers: []corev1.Container{{Name: "main", Image: image, ImagePullPolicy: policy}}},
	}
	for _, secret := range secrets {
		p.Spec.ImagePullSecrets = append(p.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: secret})
	}
	if _, err := s.client.CoreV1().Pods("default").Create(s.t.Context(), p, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// wait waits until the image of the pod's container is as it should be.
func (s *setup) wait(name string, good func(pod.Image) bool) pod.Image {
	s.t.Helper()
	var image pod.Image
	eventually(s.t, func() bool {
		p, err := s.client.CoreV1().Pods("default").Get(s.t.Context(), name, metav1.GetOptions{})
		if err != nil {
			s.t.Fatal(err)
		}
		image = recorded(p)["main"]
		return good(image)
	}, func() string { return fmt.Sprintf("%+v", image) })
	return image
}

func eventually(t *testing.T, good func() bool, state func() string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !good(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never came: ", state())
		}
	}
}

func (s *setup) wantEvents(want ...string) {
	s.t.Helper()
	timeout := time.After(10 * time.Second)
	var seen []string
	for _, text := range want {
		for !slices.ContainsFunc(seen, func(e string) bool { return strings.Contains(e, text) }) {
			select {
			case e := <-s.events:
				seen = append(seen, e)
			case <-timeout:
				s.t.Fatalf("no event %q among %q", text, seen)
			}
		}
	}
}

func ready(i pod.Image) bool { return i.Ready() }

func TestPull(t *testing.T) {
	s := newSetup(t)
	s.run()
	s.create("a", "app:1", corev1.PullIfNotPresent)
	if image := s.wait("a", ready); image.Digest != "sha256:of-app:1" || image.Reference != "app:1" {
		t.Errorf("%+v", image)
	}
	s.wantEvents(`Normal Pulling Pulling image "app:1"`, `Normal Pulled Successfully pulled image "app:1" in `, "Image size: 42 bytes")
	s.create("b", "app:1", corev1.PullNever)
	s.wait("b", ready)
	s.wantEvents(`Container image "app:1" already present on machine and can be accessed by the pod`)
	p, _ := s.client.CoreV1().Pods("default").Get(t.Context(), "b", metav1.GetOptions{})
	if got := p.Annotations[pod.AnnotationImageReferences]; got != `{"main":"sha256:of-app:1"}` {
		t.Error(got)
	}
	if len(s.host.pulls) != 1 {
		t.Errorf("%d pulls", len(s.host.pulls))
	}
}

func TestNeverPull(t *testing.T) {
	s := newSetup(t)
	s.run()
	s.create("a", "app:1", corev1.PullNever)
	s.wait("a", func(i pod.Image) bool { return i.Reason == "ErrImageNeverPull" })
	s.wantEvents(`Warning ErrImageNeverPull Container image "app:1" is not present with pull policy of Never`, "Error: ErrImageNeverPull")
}

func TestBadName(t *testing.T) {
	s := newSetup(t)
	s.run()
	s.create("a", "UPPER", corev1.PullAlways)
	s.wait("a", func(i pod.Image) bool { return i.Reason == "InvalidImageName" })
	s.wantEvents("Warning InspectFailed Failed to apply default image tag")
}

func TestFailureBacksOff(t *testing.T) {
	s := newSetup(t)
	s.host.fail = aboutImage(codes.NotFound, "MANIFEST_UNKNOWN: manifest unknown")
	stop := s.run()
	s.create("a", "app:1", corev1.PullIfNotPresent)
	image := s.wait("a", func(i pod.Image) bool { return i.Reason == "ErrImagePull" })
	if !strings.Contains(image.Message, "MANIFEST_UNKNOWN") {
		t.Error(image)
	}
	s.wantEvents(`Warning Failed Failed to pull image "app:1": MANIFEST_UNKNOWN`, "Error: ErrImagePull")
	image = s.wait("a", func(i pod.Image) bool { return i.Reason == "ImagePullBackOff" })
	if !strings.Contains(image.Message, "MANIFEST_UNKNOWN") {
		t.Error(image)
	}
	s.wantEvents(`Normal BackOff Back-off pulling image "app:1"`)

	// A new controller tries at once, and success clears the reason.
	stop()
	s.host.set(func(h *fakeHost) { h.fail = nil })
	s.run()
	if image := s.wait("a", ready); image.Reason != "" || image.Message != "" {
		t.Error(image)
	}
}

// TestHostTrouble: a host that does not answer is no fault of the image.
func TestHostTrouble(t *testing.T) {
	s := newSetup(t)
	s.host.fail = status.Error(codes.Unavailable, "connection refused")
	s.run()
	s.create("a", "app:1", corev1.PullIfNotPresent)
	image := s.wait("a", func(i pod.Image) bool { return i.Message != "" })
	if image.Reason != "" || !strings.Contains(image.Message, "hostd of node host-1") {
		t.Error(image)
	}
	s.host.set(func(h *fakeHost) { h.fail = nil })
	s.wait("a", ready)
}

// TestDeletedPodEndsItsPull and nothing else is held up by slow pulls meanwhile.
func TestDeletedPodEndsItsPull(t *testing.T) {
	s := newSetup(t)
	s.host.release = make(chan struct{})
	s.run()
	for i := range 3 * workers {
		s.create(fmt.Sprint("slow-", i), fmt.Sprint("slow:", i), corev1.PullIfNotPresent)
	}
	running := func(n int) {
		t.Helper()
		eventually(t, func() bool { s.host.mu.Lock(); defer s.host.mu.Unlock(); return s.host.running == n },
			func() string { return fmt.Sprint(s.host.running) })
	}
	running(3 * workers)
	s.host.set(func(h *fakeHost) { h.images["there:1"] = "sha256:there" })
	s.create("quick", "there:1", corev1.PullIfNotPresent)
	s.wait("quick", ready)
	for i := range 3 * workers {
		if err := s.client.CoreV1().Pods("default").Delete(t.Context(), fmt.Sprint("slow-", i), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	running(0)
}

func (s *setup) secret(name, registry, user, password string) {
	s.t.Helper()
	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, registry, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	_, err := s.client.CoreV1().Secrets("default").Create(s.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(config)},
	}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestCredentials: of several for a registry the one that is let in is found; others' are not shown to it.
func TestCredentials(t *testing.T) {
	s := newSetup(t)
	s.host.password = "right"
	s.secret("wrong", "r.example:5000", "anna", "wrong")
	s.secret("right", "r.example:5000", "anna", "right")
	s.secret("other", "other.example", "anna", "other")
	s.run()
	s.create("a", "r.example:5000/app:1", corev1.PullIfNotPresent, "other", "wrong", "missing", "right")
	s.wait("a", ready)
	s.wantEvents("FailedToRetrieveImagePullSecret Unable to retrieve some image pull secrets (missing)")
	for _, pull := range s.host.pulls {
		if pull.Credentials.Password == "other" {
			t.Error("credentials of another registry were used")
		}
	}
	s.create("b", "r.example:5000/app:2", corev1.PullIfNotPresent, "wrong")
	image := s.wait("b", func(i pod.Image) bool { return i.Reason == "ErrImagePull" })
	if !strings.Contains(image.Message, "authentication required") {
		t.Error(image)
	}
}

// TestOthersImages: what was pulled with a secret is not for pods without one, and they do not learn that it is there.
func TestOthersImages(t *testing.T) {
	registry := newPlainRegistry(t)
	s := newSetup(t)
	registry.configure(t, s.dir)
	registry.password = "right"
	s.host.password = "right"
	s.secret("right", registry.host, "anna", "right")
	s.run()
	s.create("a", registry.host+"/app:1", corev1.PullIfNotPresent, "right")
	s.wait("a", ready)
	s.create("b", registry.host+"/app:1", corev1.PullIfNotPresent, "right")
	s.wait("b", ready)
	if len(s.host.pulls) != 1 {
		t.Errorf("%d pulls", len(s.host.pulls))
	}
	s.create("none", registry.host+"/app:1", corev1.PullIfNotPresent)
	image := s.wait("none", func(i pod.Image) bool { return i.Reason == "ErrImagePull" })
	if !strings.Contains(image.Message, "401") && !strings.Contains(image.Message, "UNAUTHORIZED") {
		t.Error(image)
	}
	s.create("never", registry.host+"/app:1", corev1.PullNever)
	s.wait("never", func(i pod.Image) bool { return i.Reason == "ErrImageNeverPull" })
	s.create("exact", registry.host+"/app@"+registry.digest, corev1.PullAlways)
	s.wait("exact", func(i pod.Image) bool { return i.Reason == "ErrImagePull" })
}

// TestLostImage: what the host has lost is pulled again while a pod waits for it, and pods that have run get the same.
func TestLostImage(t *testing.T) {
	s := newSetup(t)
	stop := s.run()
	s.create("a", "app:1", corev1.PullIfNotPresent)
	s.wait("a", ready)
	stop()
	s.host.set(func(h *fakeHost) { clear(h.images) })
	s.run()
	eventually(t, func() bool { s.host.mu.Lock(); defer s.host.mu.Unlock(); return len(s.host.pulls) == 2 },
		func() string { return fmt.Sprint(s.host.pulls) })
	s.wait("a", ready)
}

// plainRegistry has one image, app:1, over HTTP, for anna or for all where it has no password.
type plainRegistry struct {
	host, digest, password string
}

func newPlainRegistry(t *testing.T) *plainRegistry {
	r := &plainRegistry{digest: "sha256:" + strings.Repeat("a", 64)}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	return r
}

func (r *plainRegistry) configure(t *testing.T, dir string) {
	if err := os.MkdirAll(filepath.Join(dir, r.host), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, r.host, "hosts.json"), []byte(`{"plainHTTP":true}`), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (r *plainRegistry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if _, password, _ := req.BasicAuth(); password != r.password {
		w.Header().Set("WWW-Authenticate", "Basic realm=test")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch req.URL.Path {
	case "/v2/":
	case "/v2/app/manifests/1", "/v2/app/manifests/" + r.digest:
		w.Header().Set("Docker-Content-Digest", r.digest)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
	}
}

// TestAlwaysResolves: with the policy Always the registry is asked for the digest, and its words come through.
func TestAlwaysResolves(t *testing.T) {
	registry := newPlainRegistry(t)
	s := newSetup(t)
	registry.configure(t, s.dir)
	s.run()
	s.create("a", registry.host+"/app:1", corev1.PullAlways)
	s.wait("a", ready)
	if got := s.host.pulls[0].Digest; got != registry.digest {
		t.Error(got)
	}
	s.create("b", registry.host+"/app:2", corev1.PullAlways)
	image := s.wait("b", func(i pod.Image) bool { return i.Reason == "ErrImagePull" })
	if !strings.Contains(image.Message, "MANIFEST_UNKNOWN: manifest unknown") {
		t.Error(image)
	}
}
