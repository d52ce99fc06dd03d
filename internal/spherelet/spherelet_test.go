package spherelet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"

	agentv1 "pacific/api/agent/v1"
	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
	"pacific/internal/spherelet/podworker"
)

func TestPodRunsAndIsDeleted(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", nil)
	w.await("pod is ready", func() bool { return w.ready("web") })

	pod := w.get("web")
	if s := pod.Status; s.Phase != v1.PodRunning || s.PodIP != "10.244.0.9" || s.HostIP != "127.0.0.1" || s.StartTime == nil {
		t.Errorf("status: %+v", s)
	}
	c := pod.Status.ContainerStatuses[0]
	if c.State.Running == nil || c.ImageID != "registry.test/app@"+digest || c.ContainerID != "crx://id-app" || c.RestartCount != 0 {
		t.Errorf("container: %+v", c)
	}
	if pod.Annotations[podapi.AnnotationVMUUID] != "uid-web" {
		t.Errorf("annotations: %v", pod.Annotations)
	}
	if m := w.host.Machine("uid-web"); m.Spec.ResourcePool != "default" || m.Spec.Labels["name"] != "web" || m.Spec.GetCrx().Personality != "agent" {
		t.Errorf("machine: %v", m)
	}

	w.remove("web", 30)
	w.await("object is gone", func() bool { return w.gone("web") })
	if w.host.Machine("uid-web") != nil || len(w.host.Disks()) != 0 {
		t.Errorf("left on the host: %v, %v", w.host.Machine("uid-web"), w.host.Disks())
	}
}

func TestImageFailureLeavesNoMachine(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", func(p *v1.Pod) { delete(p.Annotations, podapi.AnnotationImages) })
	w.await("machine waits", func() bool { return w.host.Machine("uid-web") != nil })
	w.change("web", func(p *v1.Pod) {
		annotate(p, podapi.AnnotationImages, podapi.Images{"app": {Reference: image, Reason: "ErrImagePull", Message: "manifest unknown"}})
	})
	w.await("no machine, reason told", func() bool {
		s := w.get("web").Status.ContainerStatuses
		return w.host.Machine("uid-web") == nil && len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "ErrImagePull" && s[0].State.Waiting.Message == "manifest unknown"
	})
	w.change("web", func(p *v1.Pod) {
		annotate(p, podapi.AnnotationImages, podapi.Images{"app": {Reference: image, Digest: digest}})
	})
	w.await("pod is ready", func() bool { return w.ready("web") })
}

func TestRestartOfSpherelet(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", nil)
	w.pod("old", nil)
	w.await("pods are ready", func() bool { return w.ready("web") && w.ready("old") })
	w.kill()

	// Meanwhile one pod is deleted by force, and the other is called not ready by the node controller.
	w.check(w.kube.CoreV1().Pods("default").Delete(context.Background(), "old", metav1.DeleteOptions{}))
	w.change("web", func(p *v1.Pod) {
		for i := range p.Status.Conditions {
			if p.Status.Conditions[i].Type == v1.PodReady {
				p.Status.Conditions[i].Status = v1.ConditionFalse
			}
		}
	})
	starts := w.host.Machine("uid-web").Starts
	w.start()
	w.await("status is right again", func() bool { return w.ready("web") })
	w.await("the other's machine is gone", func() bool { return w.host.Machine("uid-old") == nil && len(w.host.Disks()) == 1 })
	if m := w.host.Machine("uid-web"); m.Starts != starts || w.get("web").Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("the pod was restarted: %v", m)
	}
}

func TestMachineDies(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", nil)
	w.pod("once", func(p *v1.Pod) { p.Spec.RestartPolicy = v1.RestartPolicyNever })
	w.await("pods are ready", func() bool { return w.ready("web") && w.ready("once") })

	w.host.Kill("uid-web", "Killed", "the VMM was killed by signal 9")
	w.await("pod is back", func() bool { return w.ready("web") && w.get("web").Status.ContainerStatuses[0].RestartCount == 1 })
	last := w.get("web").Status.ContainerStatuses[0].LastTerminationState.Terminated
	if last == nil || last.ExitCode != 137 || last.Reason != "Killed" || !strings.Contains(last.Message, "signal 9") {
		t.Errorf("last termination: %+v", last)
	}
	if n := w.host.Machine("uid-web").Starts; n != 2 {
		t.Errorf("machine was started %d times, want 2", n)
	}

	w.host.Kill("uid-once", "KernelPanic", "Out of memory")
	w.await("the other has failed", func() bool { return w.get("once").Status.Phase == v1.PodFailed })
	if s := w.get("once").Status; s.Reason != "KernelPanic" || s.ContainerStatuses[0].State.Terminated.ExitCode != 137 {
		t.Errorf("status: %+v", s)
	}
	w.await("its machine is gone", func() bool { return w.host.Machine("uid-once") == nil })
}

func TestCompletedPodKeepsLogsAndStatus(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("job", func(p *v1.Pod) { p.Spec.RestartPolicy = v1.RestartPolicyNever })
	w.await("pod is ready", func() bool { return w.ready("job") })
	w.agent("job").Exit(3)
	w.await("failed, machine gone", func() bool { return w.get("job").Status.Phase == v1.PodFailed && w.host.Machine("uid-job") == nil })
	for range 2 {
		if s := w.get("job").Status; s.ContainerStatuses[0].State.Terminated == nil || s.ContainerStatuses[0].State.Terminated.ExitCode != 3 {
			t.Errorf("status: %+v", s)
		}
		w.await("log is kept", func() bool { return w.log("job", "tailLines=1") == "second of app.0\n" })
		w.kill()
		w.start()
	}
	w.remove("job", 0)
	w.await("object is gone", func() bool { return w.gone("job") })
}

func TestMissingConfigMapAppears(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", func(p *v1.Pod) {
		p.Spec.Containers[0].EnvFrom = []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "cfg"}}}}
		p.Spec.Volumes = []v1.Volume{{Name: "files", VolumeSource: v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: v1.LocalObjectReference{Name: "cfg"}}}}}
	})
	w.await("reason is told", func() bool {
		s := w.get("web").Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "CreateContainerConfigError" && s[0].State.Waiting.Message == `configmap "cfg" not found`
	})
	configMaps := w.kube.CoreV1().ConfigMaps("default")
	made, err := configMaps.Create(context.Background(), &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "cfg", ResourceVersion: "1"}, Data: map[string]string{"K": "one"}}, metav1.CreateOptions{})
	w.check(err)
	w.await("pod is ready", func() bool { return w.ready("web") })
	if env := w.agent("web").Pod().Containers[0].Env; env[0].Name != "K" || env[0].Value != "one" {
		t.Errorf("environment: %v", env)
	}
	made.Data["K"], made.ResourceVersion = "two", "2"
	_, err = configMaps.Update(context.Background(), made, metav1.UpdateOptions{})
	w.check(err)
	w.await("files are brought up to date", func() bool {
		u := w.agent("web").Updates()
		return len(u) > 0 && string(u[len(u)-1].Volumes[0].GetFiles().Files[0].Data) == "two"
	})
}

// Only so many pods start at once, and one that waits for its configuration is not counted.
func TestParallelStarts(t *testing.T) {
	w := newWorld(t)
	w.options.ParallelStarts = 1
	w.start()
	w.pod("held", func(p *v1.Pod) {
		p.Spec.Containers[0].EnvFrom = []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "cfg"}}}}
	})
	names := []string{"a", "b", "c"}
	for _, name := range names {
		w.pod(name, nil)
	}
	for _, name := range names {
		w.await("pod is ready", func() bool { return w.ready(name) })
	}
}

func TestRejectedAloud(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", func(p *v1.Pod) { p.Spec.HostPID = true })
	w.await("failed", func() bool { return w.get("web").Status.Phase == v1.PodFailed })
	if s := w.get("web").Status; s.Reason != "NotSupported" || !strings.Contains(s.Message, "spec.hostPID") {
		t.Errorf("status: %s: %s", s.Reason, s.Message)
	}
	w.await("event", func() bool { return w.recorded("NotSupported") })
	if w.host.Machine("uid-web") != nil {
		t.Error("a machine was made")
	}
}

func TestFullHost(t *testing.T) {
	w := newWorld(t)
	w.host.SetRefuseCreate(errors.New("the host is full"))
	w.start()
	w.pod("web", nil)
	w.await("event", func() bool { return w.recorded("FailedCreatePodSandBox") })
	w.pod("other", nil)
	w.await("its disk is there", func() bool { return len(w.host.Disks()) == 2 })
	w.remove("other", 0)
	w.await("object and disk are gone", func() bool { return w.gone("other") && len(w.host.Disks()) == 1 })
	w.host.SetRefuseCreate(nil)
	w.await("pod is ready", func() bool { return w.ready("web") })
}

func TestNode(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.await("node is ready", func() bool {
		n, err := w.kube.CoreV1().Nodes().Get(context.Background(), "host-1", metav1.GetOptions{})
		if err != nil {
			return false
		}
		for _, c := range n.Status.Conditions {
			if c.Type == v1.NodeReady && c.Status == v1.ConditionTrue {
				return n.Status.Capacity.Cpu().Value() == 4 && n.Status.NodeInfo.ContainerRuntimeVersion == "crx://1.0" && n.Labels[v1.LabelHostname] == "host-1"
			}
		}
		return false
	})
	w.await("heartbeat", func() bool {
		l, err := w.kube.CoordinationV1().Leases(v1.NamespaceNodeLease).Get(context.Background(), "host-1", metav1.GetOptions{})
		return err == nil && l.Spec.RenewTime != nil
	})
}

// request asks the endpoint as the API server does.
func (w *world) request(path string) (int, string) {
	answer, err := w.https.Get("https://" + w.options.Listen + path)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

func (w *world) log(pod, query string) string {
	_, body := w.request("/containerLogs/default/" + pod + "/app?" + query)
	return body
}

func TestEndpoint(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", nil)
	w.await("pod is ready", func() bool { return w.ready("web") })

	if got := w.log("web", ""); got != "first of app.0\nsecond of app.0\n" {
		t.Errorf("log: %q", got)
	}
	if got := w.log("web", "timestamps=true&limitBytes=40"); got != "2030-01-02T03:04:05.000000000Z first of " {
		t.Errorf("log with times: %q", got)
	}
	if code, body := w.request("/containerLogs/default/web/app?previous=true"); code != 400 || !strings.Contains(body, "previous terminated container") {
		t.Errorf("previous: %d %s", code, body)
	}
	for path, want := range map[string]string{
		"/healthz": "ok", "/pods": `"uid":"uid-web"`, "/podstarts": "handed-over", "/configz": `"kubeletconfig":{"kind":"KubeletConfiguration"`, "/runningpods/": `"image":"registry.test/app@` + digest, "/stats/summary": "workingSetBytes",
		"/metrics": "kubelet_running_pods 1", "/metrics/cadvisor": `container_memory_working_set_bytes{container="app"`, "/metrics/probes": "", "/healthz/ping": "ok", "/metrics/resource": `container_cpu_usage_seconds_total{container="app",namespace="default",pod="web"} 2`,
	} {
		if code, body := w.request(path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

func TestOthersAreNotServed(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.await("endpoint is up", func() bool { code, _ := w.request("/healthz"); return code == 200 })
	w.https = &http.Client{Transport: &http.Transport{TLSClientConfig: w.tls("other")}}
	if code, _ := w.request("/healthz"); code != http.StatusForbidden {
		t.Errorf("another client got %d", code)
	}
	anonymous := w.tls("other")
	anonymous.GetClientCertificate = nil
	w.https = &http.Client{Transport: &http.Transport{TLSClientConfig: anonymous}}
	if code, body := w.request("/healthz"); code != http.StatusUnauthorized {
		t.Errorf("a client without a certificate got %d %s", code, body)
	}
}

func TestExec(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", nil)
	w.await("pod is ready", func() bool { return w.ready("web") })

	run := func(command, query string, o remotecommand.StreamOptions) error {
		t.Helper()
		u := &url.URL{Scheme: "https", Host: w.options.Listen, Path: "/exec/default/web/app", RawQuery: "output=1&command=" + strings.Join(strings.Fields(command), "&command=") + query}
		dir := strings.TrimSuffix(w.options.TLSCert, "tls.crt")
		executor, err := remotecommand.NewSPDYExecutor(&rest.Config{Host: u.Host, TLSClientConfig: rest.TLSClientConfig{
			CAFile: dir + "ca.crt", CertFile: dir + "client.crt", KeyFile: dir + "client.key"}}, "POST", u)
		w.check(err)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		return executor.StreamWithContext(ctx, o)
	}
	var out, errs bytes.Buffer
	w.check(run("cat", "&input=1", remotecommand.StreamOptions{Stdin: strings.NewReader("hello"), Stdout: &out}))
	if out.String() != "hello" {
		t.Errorf("cat: %q", out.String())
	}
	out.Reset()
	err := run("exit 42", "&error=1", remotecommand.StreamOptions{Stdout: &out, Stderr: &errs})
	var code utilexec.CodeExitError
	if !errors.As(err, &code) || code.Code != 42 || errs.String() != "leaving\n" {
		t.Errorf("exit: %v, %q", err, errs.String())
	}
	out.Reset()
	w.check(run("size", "&tty=1&input=1", remotecommand.StreamOptions{Tty: true, Stdin: strings.NewReader(""), Stdout: &out, TerminalSizeQueue: &once{size: &remotecommand.TerminalSize{Width: 80, Height: 25}}}))
	if out.String() != "80x25\n" {
		t.Errorf("resize: %q", out.String())
	}
}

type once struct{ size *remotecommand.TerminalSize }

func (o *once) Next() *remotecommand.TerminalSize {
	size := o.size
	o.size = nil
	return size
}

func TestReadinessAndSidecarStatusFollowTheAgent(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", nil)
	w.await("pod is ready", func() bool { return w.ready("web") })
	w.agent("web").Change(func(s *agentv1.PodStatus) { s.Containers[0].Ready = false })
	w.await("pod is not ready", func() bool { return !w.ready("web") })
	if m := w.host.Machine("uid-web"); m.Phase != hostv1.VirtualMachine_RUNNING {
		t.Errorf("machine: %v", m.Phase)
	}
}

func TestStopInTheMiddleOfTheStartIsNoFailure(t *testing.T) {
	for range 10 {
		w := newWorld(t)
		w.start()
		w.kill()
	}
}

// TestEndThatOnlyTheAgentKnows: the spherelet was killed between the logs and the last status of a pod that had ended.
func TestEndThatOnlyTheAgentKnows(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("job", func(p *v1.Pod) { p.Spec.RestartPolicy = v1.RestartPolicyNever })
	w.await("pod is ready", func() bool { return w.ready("job") })
	w.kill()
	w.agent("job").Exit(0)
	keep, err := podworker.NewKeep(filepath.Join(w.options.StateDir, "pods"))
	w.check(err)
	kept, _, err := keep.Load("uid-job")
	w.check(err)
	kept.Outcome, kept.LogsKept = podworker.Completed, true
	w.check(keep.Save("uid-job", kept))
	w.start()
	w.await("succeeded, machine gone", func() bool {
		return w.get("job").Status.Phase == v1.PodSucceeded && w.host.Machine("uid-job") == nil
	})
}
