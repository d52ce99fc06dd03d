package spherelet

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	podapi "pacific/api/pod"
	"pacific/internal/pki"
	"pacific/internal/spherelet/agentlink/fakeagent"
	"pacific/internal/spherelet/hypervisor/fakehost"
	"pacific/internal/spherelet/server"
)

const (
	image  = "registry.test/app:1"
	digest = "sha256:aaaa"
)

// world is an API server, a host and a state directory, which outlive the spherelets that run in it.
type world struct {
	*testing.T
	kube    *fake.Clientset
	host    *fakehost.Host
	options *Options
	events  *record.FakeRecorder
	https   *http.Client
	stop    func()
}

func newWorld(t *testing.T) *world {
	// A unix socket's path is short; t.TempDir has the test's name in it.
	sockets, err := os.MkdirTemp("", "sph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	w := &world{T: t, kube: fake.NewClientset(), host: fakehost.New(sockets), events: record.NewFakeRecorder(1000)}
	w.kube.PrependReactor("create", "subjectaccessreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &authorizationv1.SubjectAccessReview{}, nil // nobody may do anything
	})
	w.kube.PrependReactor("*", "pods", w.versioned(clienttesting.ObjectReaction(w.kube.Tracker())))
	w.host.AddImage("registry.test/app", digest)
	w.certificates(t.TempDir())
	t.Cleanup(func() { w.kill() })
	return w
}

// versioned gives pods resource versions, which the fake API server does not: by them the spherelet knows which of two states is the newer
// one, and an edit is refused that does not know the latest. Reactions come one at a time.
func (w *world) versioned(react clienttesting.ReactionFunc) clienttesting.ReactionFunc {
	version := 0
	return func(action clienttesting.Action) (bool, runtime.Object, error) {
		if update, ok := action.(clienttesting.UpdateAction); ok && action.GetVerb() == "update" {
			pod := update.GetObject().(*v1.Pod)
			now, err := w.kube.Tracker().Get(action.GetResource(), pod.Namespace, pod.Name)
			if err == nil && now.(*v1.Pod).ResourceVersion != pod.ResourceVersion {
				return true, nil, apierrors.NewConflict(action.GetResource().GroupResource(), pod.Name, errors.New("it has been changed"))
			}
		}
		handled, object, err := react(action)
		pod, ok := object.(*v1.Pod)
		if !ok || err != nil || action.GetVerb() == "get" {
			return handled, object, err
		}
		version++
		pod = pod.DeepCopy()
		pod.ResourceVersion = strconv.Itoa(version)
		return true, pod, w.kube.Tracker().Update(action.GetResource(), pod, pod.Namespace)
	}
}

func (w *world) certificates(dir string) {
	file := func(name string) string { return filepath.Join(dir, name) }
	ca, err := pki.LoadOrCreateCA(file("ca.crt"), file("ca.key"), "test")
	w.check(err)
	_, err = ca.Ensure(pki.Leaf{CertFile: file("tls.crt"), KeyFile: file("tls.key"), CommonName: "host-1", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true})
	w.check(err)
	_, err = ca.Ensure(pki.Leaf{CertFile: file("client.crt"), KeyFile: file("client.key"), CommonName: server.APIServer, Client: true})
	w.check(err)
	_, err = ca.Ensure(pki.Leaf{CertFile: file("other.crt"), KeyFile: file("other.key"), CommonName: "system:node:host-2", Client: true})
	w.check(err)
	w.options = &Options{NodeName: "host-1", NodeIP: "127.0.0.1", StateDir: file("state"), Listen: w.freeAddress(),
		TLSCert: file("tls.crt"), TLSKey: file("tls.key"), ClientCA: file("ca.crt"), ClusterDNS: []string{"10.96.0.10"}, ClusterDomain: "cluster.local", MaxPods: 110}
	w.https = &http.Client{Transport: &http.Transport{TLSClientConfig: w.tls("client")}}
}

// freeAddress is below the ports that the kernel gives to clients, so that nobody takes it while a spherelet is down.
func (w *world) freeAddress() string {
	for {
		address := fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(20000))
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
}

func (w *world) tls(who string) *tls.Config {
	dir := filepath.Dir(w.options.TLSCert)
	config, err := pki.ClientConfig(w.options.ClientCA, filepath.Join(dir, who+".crt"), filepath.Join(dir, who+".key"))
	w.check(err)
	return config
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// start runs a spherelet until kill.
func (w *world) start() {
	client, stopHostd, err := w.host.Serve()
	w.check(err)
	ctx, cancel := context.WithCancel(context.Background())
	p := &parts{options: w.options, kube: w.kube, host: client, events: w.events, metrics: registry(), dial: fakeagent.Dial}
	done := make(chan error, 1)
	watched := w.watches()
	go func() { done <- p.run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("spherelet: %v", err)
		}
		stopHostd()
		client.Close()
	}
	// The fake API does not tell a watch what was changed since the list before it.
	w.await("pods are watched", func() bool { return w.watches() > watched })
}

// watches counts how often pods began to be watched.
func (w *world) watches() int {
	count := 0
	for _, action := range w.kube.Actions() {
		if action.Matches("watch", "pods") {
			count++
		}
	}
	return count
}

func (w *world) kill() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// pod creates a pod bound to the node, with its image and network as the controllers leave them.
func (w *world) pod(name string, edit func(*v1.Pod)) *v1.Pod {
	w.Helper()
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.Now()},
		Spec: v1.PodSpec{NodeName: "host-1", RestartPolicy: v1.RestartPolicyAlways, EnableServiceLinks: ptr.To(true),
			TerminationGracePeriodSeconds: ptr.To[int64](30), Containers: []v1.Container{{Name: "app", Image: image}}},
	}
	annotate(pod, podapi.AnnotationNetwork, podapi.Network{Addresses: []string{"10.244.0.9/32"}, MAC: "02:00:00:00:00:09", MTU: 1450})
	annotate(pod, podapi.AnnotationImages, podapi.Images{"app": {Reference: image, Digest: digest}})
	pod.Status.Conditions = []v1.PodCondition{{Type: podapi.ConditionNetworkReady, Status: v1.ConditionTrue}}
	if edit != nil {
		edit(pod)
	}
	made, err := w.kube.CoreV1().Pods("default").Create(context.Background(), pod, metav1.CreateOptions{})
	w.check(err)
	return made
}

func annotate(pod *v1.Pod, key string, value any) {
	data, _ := json.Marshal(value)
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, key, string(data))
}

// change edits the object as another client would.
func (w *world) change(name string, edit func(*v1.Pod)) {
	w.Helper()
	w.check(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		pod := w.get(name)
		edit(pod)
		_, err := w.kube.CoreV1().Pods("default").Update(context.Background(), pod, metav1.UpdateOptions{})
		return err
	}))
}

func (w *world) remove(name string, grace int64) {
	w.Helper()
	w.change(name, func(p *v1.Pod) {
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = ptr.To(metav1.Now()), &grace
	})
}

func (w *world) get(name string) *v1.Pod {
	w.Helper()
	pod, err := w.kube.CoreV1().Pods("default").Get(context.Background(), name, metav1.GetOptions{})
	w.check(err)
	return pod
}

// await waits for a condition; nothing here takes longer than a moment.
func (w *world) await(what string, is func() bool) {
	w.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	w.Fatalf("waited in vain for: %s\n%s", what, w.dump())
}

func (w *world) dump() string {
	list, _ := w.kube.CoreV1().Pods("").List(context.Background(), metav1.ListOptions{})
	text := ""
	for _, p := range list.Items {
		data, _ := json.MarshalIndent(p.Status, "", " ")
		text += fmt.Sprintf("%s: %s\n", p.Name, data)
	}
	return text
}

func (w *world) gone(name string) bool {
	_, err := w.kube.CoreV1().Pods("default").Get(context.Background(), name, metav1.GetOptions{})
	return apierrors.IsNotFound(err)
}

func (w *world) ready(name string) bool {
	return slices.ContainsFunc(w.get(name).Status.Conditions, func(c v1.PodCondition) bool {
		return c.Type == v1.PodReady && c.Status == v1.ConditionTrue
	})
}

func (w *world) agent(name string) *fakeagent.Agent { return w.host.Agent("uid-" + name) }

func (w *world) recorded(reason string) bool {
	for {
		select {
		case e := <-w.events.Events:
			var kind, why string
			fmt.Sscan(e, &kind, &why)
			if why == reason {
				return true
			}
		default:
			return false
		}
	}
}
