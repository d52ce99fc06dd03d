//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/api/resource"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

	"pacific/internal/onemachine/layout"
	"pacific/internal/pki"
	"pacific/internal/wire"
)

// busy is a script that uses a processor wholly.
const busy = "while :; do :; done"

// topPods reads metrics.k8s.io as kubectl top does: millicores and bytes by pod.
func topPods(ctx context.Context, namespace string) (map[string][2]int64, error) {
	raw, err := cluster.client.CoreV1().RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/namespaces/" + namespace + "/pods").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata   struct{ Name string }
			Containers []struct{ Usage map[string]resource.Quantity }
		}
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	all := map[string][2]int64{}
	for _, item := range list.Items {
		var sum [2]int64
		for _, c := range item.Containers {
			cpu, memory := c.Usage["cpu"], c.Usage["memory"]
			sum[0], sum[1] = sum[0]+cpu.MilliValue(), sum[1]+memory.Value()
		}
		all[item.Metadata.Name] = sum
	}
	return all, nil
}

func TestTop(t *testing.T) {
	ns := newNamespace(t)
	startShell(t, ns, shell{name: "busy", script: busy})
	startShell(t, ns, shell{name: "idle", script: "trap exit TERM; sleep 100000 & wait"})

	// How much the busy one gets depends on what else the machine does; that it gets far more than the idle one does not.
	eventually(t, podLimit, "usage of a busy and an idle pod", func(ctx context.Context) error {
		pods, err := topPods(ctx, ns)
		if err != nil {
			return err
		}
		b, i := pods["busy"], pods["idle"]
		if len(pods) != 2 || b[0] < 20 || b[0] > 1100 || i[0] > b[0]/4 || b[1] == 0 || i[1] == 0 || b[1] > 64<<20 {
			return fmt.Errorf("millicores and bytes: %v", pods)
		}
		return nil
	})
	if table := kubectl(t, "top", "pods", "-n", ns); !strings.Contains(table, "busy") || !strings.Contains(table, "Mi") {
		t.Errorf("kubectl top pods:\n%s", table)
	}
	table := kubectl(t, "top", "nodes")
	for _, host := range layout.HostNames(cluster.instance.Hosts) {
		if !strings.Contains(table, host) || strings.Contains(table, "unknown") {
			t.Errorf("kubectl top nodes:\n%s", table)
		}
	}
}

func summaryOf(ctx context.Context, node string) (*stats.Summary, error) {
	raw, err := cluster.client.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes/" + node + "/proxy/stats/summary").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	var s stats.Summary
	return &s, json.Unmarshal(raw, &s)
}

func TestSummaryIsConsistent(t *testing.T) {
	ns := newNamespace(t)
	pod := startShell(t, ns, shell{
		name: "web", script: "dd if=/dev/zero of=/data/file bs=1M count=5; " + idle,
		spec: "volumes: [{name: data, emptyDir: {}}]", container: "volumeMounts: [{name: data, mountPath: /data}]",
	})
	var found *stats.PodStats
	eventually(t, podLimit, "the pod's volume in the summary", func(ctx context.Context) error {
		s, err := summaryOf(ctx, pod.Spec.NodeName)
		if err != nil {
			return err
		}
		var cpu, memory uint64
		for i, p := range s.Pods {
			cpu, memory = cpu+*p.CPU.UsageCoreNanoSeconds, memory+*p.Memory.WorkingSetBytes
			if p.PodRef.UID == string(pod.UID) {
				found = &s.Pods[i]
			}
		}
		if cpu > *s.Node.CPU.UsageCoreNanoSeconds || memory > *s.Node.Memory.WorkingSetBytes {
			t.Errorf("pods use %d ns and %d bytes, the node %d and %d", cpu, memory, *s.Node.CPU.UsageCoreNanoSeconds, *s.Node.Memory.WorkingSetBytes)
		}
		if found == nil || len(found.VolumeStats) == 0 || len(found.Containers) != 1 {
			return fmt.Errorf("summary of the pod: %+v", found)
		}
		if inContainer, inPod := *found.Containers[0].CPU.UsageCoreNanoSeconds, *found.CPU.UsageCoreNanoSeconds; inContainer > inPod {
			t.Errorf("the container used %d ns, its pod %d", inContainer, inPod)
		}
		// A rate needs two measurements, and a network and sizes a pod that has run for a moment.
		switch {
		case found.Containers[0].CPU.UsageNanoCores == nil:
			return errors.New("no rate of the container's CPU time")
		case *found.Memory.RSSBytes == 0:
			return errors.New("no resident memory")
		case found.Network == nil:
			return errors.New("no network")
		case *found.VolumeStats[0].UsedBytes < 5<<20 || *found.EphemeralStorage.UsedBytes < 5<<20:
			return fmt.Errorf("volume %d bytes, ephemeral storage %d bytes", *found.VolumeStats[0].UsedBytes, *found.EphemeralStorage.UsedBytes)
		}
		return nil
	})
}

func TestNodeProxy(t *testing.T) {
	ns := newNamespace(t)
	pod := startShell(t, ns, shell{name: "web", script: idle, container: "readinessProbe: {exec: {command: [\"true\"]}, periodSeconds: 1}"})
	for path, want := range map[string]string{
		"healthz":          "ok",
		"configz":          `"kubeletconfig"`,
		"pods":             string(pod.UID),
		"runningpods/":     string(pod.UID),
		"metrics":          "kubelet_running_pods",
		"metrics/resource": fmt.Sprintf(`container_cpu_usage_seconds_total{container="c",namespace=%q,pod="web"}`, ns),
		"metrics/cadvisor": fmt.Sprintf(`namespace=%q,pod="web"} `, ns),
		"metrics/probes":   fmt.Sprintf(`prober_probe_total{container="c",namespace=%q,pod="web",pod_uid=%q,probe_type="Readiness",result="successful"}`, ns, pod.UID),
	} {
		if out := kubectl(t, "get", "--raw", "/api/v1/nodes/"+pod.Spec.NodeName+"/proxy/"+path); !strings.Contains(out, want) {
			t.Errorf("%s lacks %s:\n%s", path, want, out)
		}
	}
}

// hostMetrics reads hostd's metrics as Prometheus would.
func hostMetrics(t *testing.T, n int, client layout.Pair) (int, string) {
	t.Helper()
	config, err := pki.ClientConfig(cluster.HostCA().Cert, client.Cert, client.Key)
	if err != nil {
		t.Fatal(err)
	}
	return get(t, fmt.Sprintf("https://%s:%d/metrics", cluster.HostAddress(n), layout.HostdMetrics), config)
}

func get(t *testing.T, url string, config *tls.Config) (int, string) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		return wire.Dial(ctx, cluster.Namespace(layout.Center), address)
	}}
	answer, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestHostMetrics(t *testing.T) {
	ns := newNamespace(t)
	pod := startShell(t, ns, shell{name: "web", script: idle})
	n := 0
	for i, host := range layout.HostNames(cluster.instance.Hosts) {
		if host == pod.Spec.NodeName {
			n = i + 1
		}
	}
	code, body := hostMetrics(t, n, cluster.HostdMetrics())
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cpu_seconds_total", "memory_rss_bytes", "memory_pss_bytes", "memory_guest_bytes", "disk_read_bytes_total", "disk_writes_total", "starts_total"} {
		var value float64
		for _, m := range families["pacific_vm_"+name].GetMetric() {
			for _, l := range m.Label {
				if l.GetName() == "machine" && l.GetValue() == string(pod.UID) {
					value += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
		if value == 0 {
			t.Errorf("pacific_vm_%s of the pod is 0", name)
		}
	}
	file := filepath.Join(cluster.HostDir(layout.HostName(n)), "pki", "hostd-client-spherelet")
	spherelet := layout.Pair{Cert: file + ".crt", Key: file + ".key"}
	if code, body := hostMetrics(t, n, spherelet); code != http.StatusForbidden {
		t.Errorf("another client got %d %s", code, body)
	}
}

// Components of the control plane show their metrics to whom RBAC lets read them, and to nobody else.
func TestControlPlaneMetrics(t *testing.T) {
	admin, err := pki.ClientConfig(cluster.SupervisorCA(), cluster.Admin().Cert, cluster.Admin().Key)
	if err != nil {
		t.Fatal(err)
	}
	anonymous, err := pki.ClientConfig(cluster.SupervisorCA(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[int]string{10257: "workqueue_depth", 10259: "scheduler_", 4443: "metrics_server_kubelet_request_total"} {
		url := fmt.Sprintf("https://%s:%d", cluster.MemberAddress(1), port)
		if code, body := get(t, url+"/metrics", admin); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("port %d: %d, without %s", port, code, want)
		}
		if code, _ := get(t, url+"/metrics", anonymous); code != http.StatusForbidden && code != http.StatusUnauthorized {
			t.Errorf("port %d: anybody got %d", port, code)
		}
		if code, body := get(t, url+"/healthz", anonymous); code != http.StatusOK {
			t.Errorf("port %d: /healthz says %d %s", port, code, body)
		}
	}
}
