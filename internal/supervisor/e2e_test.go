//go:build e2e

package supervisor

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	podapi "pacific/api/pod"
	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/controllers/noderole"
	"pacific/internal/supervisor/pki"
)

const secretValue = "a-value-that-is-looked-for-on-disk"

// TestSupervisor is one story, since a start takes seconds: its steps build on each other.
func TestSupervisor(t *testing.T) {
	ctx := testContext(t)
	s := newInstance(t, "10.250.0.2")
	t.Logf("ready for the first time after %v", s.start())
	admin := s.client(pki.Admin)

	step := func(name string, f func(t *testing.T)) {
		t.Helper()
		if !t.Run(name, f) {
			t.FailNow()
		}
	}
	step("says its version", func(t *testing.T) {
		version, err := admin.Discovery().ServerVersion()
		if err != nil || version.GitVersion != "v1.36.3" {
			t.Errorf("got %v, %v", version, err)
		}
	})
	step("lets nobody in without a name", s.testAnonymous)
	step("has Service kubernetes at the advertised address", func(t *testing.T) {
		eventually(t, ctx, func() bool {
			slices, err := admin.DiscoveryV1().EndpointSlices("default").List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=kubernetes"})
			return err == nil && len(slices.Items) == 1 && slices.Items[0].Endpoints[0].Addresses[0] == s.address
		})
	})
	step("tells why a pod waits", func(t *testing.T) { testUnschedulable(t, ctx, admin) })
	step("takes a host in", func(t *testing.T) { s.testHost(t, ctx, admin) })
	step("keeps what its parts write on pods", func(t *testing.T) { testPodFields(t, ctx, admin) })
	step("encrypts secrets", func(t *testing.T) { s.testEncryption(t, ctx, admin) })
	step("renews the serving certificate while it runs", s.testRenewal)
	step("lets only one have the data", s.testOneOwner)
	step("runs beside another", func(t *testing.T) {
		other := newInstance(t, "10.250.0.3")
		other.start()
		nodes, err := other.client(pki.Admin).CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil || len(nodes.Items) != 0 {
			t.Errorf("got %d nodes, %v", len(nodes.Items), err)
		}
	})
	step("keeps its state when it is killed", func(t *testing.T) {
		s.kill()
		t.Logf("ready again after %v", s.start())
		if _, err := admin.CoreV1().Nodes().Get(ctx, "host-1", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
		secret, err := admin.CoreV1().Secrets("default").Get(ctx, "s", metav1.GetOptions{})
		if err != nil || string(secret.Data["k"]) != secretValue {
			t.Errorf("the secret: %v", err)
		}
	})
	step("stops in time although somebody watches", func(t *testing.T) {
		watch, err := admin.CoreV1().Pods("").Watch(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer watch.Stop()
		took := s.stop()
		t.Logf("stopped after %v", took)
		if took > 20*time.Second {
			t.Error("too long")
		}
	})
}

func eventually(t *testing.T, ctx context.Context, condition func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		t.Fatal("not within a minute")
	}
}

func (s *instance) testAnonymous(t *testing.T) {
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // the status code is all that is looked at
	for path, want := range map[string]int{"/readyz": 200, "/livez": 200, "/healthz": 200, "/api": 401, "/version": 401, "/metrics": 401, "/api/v1/secrets": 401} {
		response, err := client.Get("https://" + s.address + ":6443" + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, response.StatusCode, want)
		}
	}
}

func testUnschedulable(t *testing.T, ctx context.Context, admin kubernetes.Interface) {
	labels := map[string]string{"app": "web"}
	_, err := admin.AppsV1().Deployments("default").Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](1),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "example.invalid/web"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, ctx, func() bool {
		pods, err := admin.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
		if err != nil || len(pods.Items) != 1 || len(pods.Items[0].Status.Conditions) == 0 {
			return false
		}
		condition := pods.Items[0].Status.Conditions[0]
		return condition.Reason == corev1.PodReasonUnschedulable && strings.Contains(condition.Message, "no nodes available")
	})
}

// testHost does what a spherelet does, with a spherelet's rights.
func (s *instance) testHost(t *testing.T, ctx context.Context, admin kubernetes.Interface) {
	node := s.nodeClient(t, "host-1")
	created, err := node.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-1"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = node.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-2"}}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("a host made another's Node: %v", err)
	}
	_, err = node.CoreV1().Secrets("default").List(ctx, metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("a host read Secrets: %v", err)
	}
	eventually(t, ctx, func() bool {
		created, err = admin.CoreV1().Nodes().Get(ctx, "host-1", metav1.GetOptions{})
		_, role := created.Labels[noderole.Label]
		return err == nil && role && strings.HasPrefix(created.Spec.PodCIDR, "10.244.")
	})
	resources := corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("8Gi"), "pods": resource.MustParse("110")}
	created.Status = corev1.NodeStatus{
		Capacity: resources, Allocatable: resources,
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now()}},
		Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.250.0.11"}},
	}
	eventually(t, ctx, func() bool {
		_, err := node.CoreV1().Nodes().UpdateStatus(ctx, created, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) {
			if fresh, err := admin.CoreV1().Nodes().Get(ctx, "host-1", metav1.GetOptions{}); err == nil {
				created.ResourceVersion = fresh.ResourceVersion
			}
		}
		return err == nil
	})
	eventually(t, ctx, func() bool {
		pods, err := admin.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
		return err == nil && len(pods.Items) == 1 && pods.Items[0].Spec.NodeName == "host-1" &&
			strings.Contains(pods.Items[0].Annotations[podapi.AnnotationNetwork], "10.244.")
	})
}

// testPodFields tries, as administrator, to give a pod the network of another, at its creation and later.
func testPodFields(t *testing.T, ctx context.Context, admin kubernetes.Interface) {
	pods := admin.CoreV1().Pods("default")
	before, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	victim := before.Items[0]
	copied, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "copy", Annotations: victim.Annotations},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "example.invalid/web"}}, NodeSelector: map[string]string{"no": "host"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if value, ok := copied.Annotations[podapi.AnnotationNetwork]; ok {
		t.Errorf("a new pod took over the network %s", value)
	}
	patch := []byte(`{"metadata":{"annotations":{"` + podapi.AnnotationNetwork + `":"{}","note":"mine"}}}`)
	patched, err := pods.Patch(ctx, victim.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := patched.Annotations[podapi.AnnotationNetwork], victim.Annotations[podapi.AnnotationNetwork]; got != want || patched.Annotations["note"] != "mine" {
		t.Errorf("the patched pod has the annotations %v, want the network %s and the note", patched.Annotations, want)
	}
}

// nodeClient has the certificate of a spherelet.
func (s *instance) nodeClient(t *testing.T, name string) kubernetes.Interface {
	t.Helper()
	layout, dir := s.layout(), t.TempDir()
	ca, err := hostpki.LoadCA(layout.Cert(pki.CA), layout.Key(pki.CA))
	if err != nil {
		t.Fatal(err)
	}
	leaf := hostpki.Leaf{
		CertFile: filepath.Join(dir, "n.crt"), KeyFile: filepath.Join(dir, "n.key"),
		CommonName: "system:node:" + name, Organizations: []string{"system:nodes"}, Client: true,
	}
	if _, err := ca.Ensure(leaf); err != nil {
		t.Fatal(err)
	}
	return kubernetes.NewForConfigOrDie(&rest.Config{
		Host:            "https://" + s.address + ":6443",
		TLSClientConfig: rest.TLSClientConfig{CAFile: layout.Cert(pki.CA), CertFile: leaf.CertFile, KeyFile: leaf.KeyFile},
	})
}

func (s *instance) testEncryption(t *testing.T, ctx context.Context, admin kubernetes.Interface) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, StringData: map[string]string{"k": secretValue}}
	if _, err := admin.CoreV1().Secrets("default").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(s.dataDir, "etcd/data/member/*/*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of etcd: %v", err)
	}
	found := false
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(data, []byte("registry/secrets/default/s"))
		if bytes.Contains(data, []byte(secretValue)) {
			t.Errorf("%s holds the secret in the clear", file)
		}
	}
	if !found {
		t.Error("the secret is in no file; what was looked at?")
	}
}

// testRenewal takes the certificate away and lets it be issued as the Supervisor does once an hour.
func (s *instance) testRenewal(t *testing.T) {
	before := s.servingSerial(t)
	layout := s.layout()
	if err := os.Remove(layout.Cert(pki.APIServer)); err != nil {
		t.Fatal(err)
	}
	config := s.config()
	if err := layout.Ensure(config.addresses()); err != nil {
		t.Fatal(err)
	}
	eventually(t, testContext(t), func() bool { return s.servingSerial(t) != before })
}

func (s *instance) servingSerial(t *testing.T) string {
	t.Helper()
	conn, err := tls.Dial("tcp", s.address+":6443", &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // only the certificate is looked at
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func (s *instance) testOneOwner(t *testing.T) {
	output, err := exec.Command(binary, s.command.Args[1:]...).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "another supervisor") {
		t.Errorf("got %v: %s", err, output)
	}
}
