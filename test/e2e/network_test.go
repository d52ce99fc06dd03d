//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"pacific/internal/onemachine/layout"
)

const webScript = "mkdir /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www"

func on(host string) string { return "nodeName: " + host }

func TestPodsOnAllHostsReachEachOther(t *testing.T) {
	ns := newNamespace(t)
	hosts := layout.HostNames(cluster.instance.Hosts)
	for _, host := range hosts {
		apply(t, ns, shell{name: host, script: idle, spec: on(host)}.manifest())
	}
	addresses := map[string]string{}
	for _, host := range hosts {
		addresses[host] = awaitReady(t, ns, host).Status.PodIP
	}
	for _, from := range hosts {
		for _, to := range hosts {
			execIn(t, ns, from, "ping", "-c1", "-W5", addresses[to])
		}
	}
	// Hosts reach pods, their own and others', and pods reach hosts.
	for n, host := range hosts {
		for _, address := range addresses {
			if r := onHost(t, host, "ping", "-c1", "-W5", address); r.exitCode != 0 {
				t.Errorf("%s cannot ping pod %s: %s", host, address, r)
			}
		}
		execIn(t, ns, hosts[0], "ping", "-c1", "-W5", cluster.HostAddress(n+1).String())
	}
}

func TestService(t *testing.T) {
	ns := newNamespace(t)
	hosts := layout.HostNames(cluster.instance.Hosts)
	for _, host := range hosts {
		apply(t, ns, strings.Replace(shell{name: host, script: webScript, spec: on(host), container: "readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}"}.manifest(),
			"{app: "+host+"}", "{app: web}", 1))
	}
	kubectl(t, "create", "service", "clusterip", "web", "-n", ns, "--tcp=80:8080")
	startShell(t, ns, shell{name: "client", script: idle})
	for _, host := range hosts {
		awaitReady(t, ns, host)
	}
	service, err := cluster.client.CoreV1().Services(ns).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + service.Spec.ClusterIP + "/"
	fromPod := func() string {
		return strings.TrimSpace(try(t, "", "exec", "-n", ns, "client", "--", "timeout", "10", "wget", "-qO-", url).stdout)
	}
	fromHost := func() string {
		return strings.TrimSpace(onHost(t, hosts[0], "curl", "-sm5", url).stdout)
	}
	for _, ask := range []func() string{fromPod, fromHost} {
		awaitAnswers(t, ask, hosts...)
	}
	kubectl(t, "delete", "pod", "-n", ns, hosts[0], "--wait=true")
	eventually(t, 30*time.Second, "endpoint of the deleted pod to vanish", func(ctx context.Context) error {
		slices, err := cluster.client.DiscoveryV1().EndpointSlices(ns).List(ctx, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=web"})
		if err != nil {
			return err
		}
		count := 0
		for _, slice := range slices.Items {
			count += len(slice.Endpoints)
		}
		if count != len(hosts)-1 {
			return fmt.Errorf("%d endpoints", count)
		}
		return nil
	})
	for range 10 {
		if answer := fromHost(); answer == hosts[0] {
			t.Fatal("the deleted pod still answers")
		}
	}
}

// awaitAnswers asks until every one has answered.
func awaitAnswers(t *testing.T, ask func() string, want ...string) {
	t.Helper()
	missing := map[string]bool{}
	for _, name := range want {
		missing[name] = true
	}
	eventually(t, time.Minute, "answers of all pods", func(context.Context) error {
		answer := ask()
		delete(missing, answer)
		if len(missing) > 0 {
			return fmt.Errorf("no answer from %v; the last was %q", missing, answer)
		}
		return nil
	})
}

// TestKubernetesServiceFromAPod speaks to the Kubernetes API through the pod's network, with nothing but what the pod has:
// its environment, its authority and its token.
func TestKubernetesServiceFromAPod(t *testing.T) {
	ns := newNamespace(t)
	startShell(t, ns, shell{name: "p", script: idle})
	mounted := func(file string) string {
		return execIn(t, ns, "p", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/"+file)
	}
	if got := mounted("namespace"); got != ns {
		t.Errorf("the mounted namespace is %q", got)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(mounted("ca.crt"))) {
		t.Fatal("the mounted ca.crt is no certificate")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	in, out := pipes(t, kubectlCommand(ctx, "exec", "-i", "-n", ns, "p", "--", "sh", "-c", "exec nc $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT"))
	conn := tls.Client(stdio{out, in}, &tls.Config{RootCAs: roots, ServerName: "kubernetes.default.svc"})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://kubernetes.default.svc/apis/authentication.k8s.io/v1/selfsubjectreviews",
		strings.NewReader(`{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+mounted("token"))
	request.Header.Set("Content-Type", "application/json")
	if err := request.Write(conn); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var review authenticationv1.SelfSubjectReview
	if err := json.NewDecoder(response.Body).Decode(&review); err != nil || review.Status.UserInfo.Username != "system:serviceaccount:"+ns+":default" {
		t.Errorf("%s: the API knows the pod as %q, %v", response.Status, review.Status.UserInfo.Username, err)
	}
}

// stdio makes a connection of a process's standard output and input.
type stdio struct {
	io.Reader
	io.WriteCloser
}

func (stdio) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (stdio) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (stdio) SetDeadline(time.Time) error      { return nil }
func (stdio) SetReadDeadline(time.Time) error  { return nil }
func (stdio) SetWriteDeadline(time.Time) error { return nil }

func TestADeadPodLeavesItsService(t *testing.T) {
	ns := newNamespace(t)
	pod := startShell(t, ns, shell{name: "web", script: webScript, spec: "restartPolicy: Never"})
	kubectl(t, "expose", "pod", "web", "-n", ns, "--port=80", "--target-port=8080")
	awaitReadyEndpoints(t, ns, "web", 1)
	killMachine(t, pod)
	awaitPhase(t, ns, "web", corev1.PodFailed)
	awaitReadyEndpoints(t, ns, "web", 0)
}

// awaitReadyEndpoints waits until a Service has so many.
func awaitReadyEndpoints(t *testing.T, ns, service string, want int) {
	t.Helper()
	eventually(t, time.Minute, fmt.Sprintf("%d ready endpoints of Service %s", want, service), func(ctx context.Context) error {
		slices, err := cluster.client.DiscoveryV1().EndpointSlices(ns).List(ctx, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + service})
		if err != nil {
			return err
		}
		var ready []string
		for _, slice := range slices.Items {
			for _, endpoint := range slice.Endpoints {
				if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
					ready = append(ready, endpoint.Addresses...)
				}
			}
		}
		if len(ready) != want {
			return fmt.Errorf("ready are %v", ready)
		}
		return nil
	})
}
