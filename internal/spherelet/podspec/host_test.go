package podspec

import (
	"errors"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"

	podapi "pacific/api/pod"
)

func onHost(edit func(*v1.Pod)) func(*v1.Pod) {
	return func(p *v1.Pod) {
		p.Spec.HostNetwork, p.Spec.DNSPolicy = true, v1.DNSClusterFirst
		p.Spec.Containers[0].Env = []v1.EnvVar{{Name: "IP", ValueFrom: &v1.EnvVarSource{FieldRef: &v1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "status.podIP"}}}}
		p.Spec.Containers[0].ReadinessProbe = &v1.Probe{ProbeHandler: v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{}}}
		if edit != nil {
			edit(p)
		}
	}
}

func TestHostNetwork(t *testing.T) {
	pod := build(t, onHost(nil))
	if pod.Hostname != "host-1" || pod.Dns.Servers[0] != "192.0.2.53" || string(pod.NodeHosts) != "192.0.2.7 printer\n" {
		t.Errorf("hostname %s, servers %v, hosts %q", pod.Hostname, pod.Dns.Servers, pod.NodeHosts)
	}
	c := pod.Containers[0]
	if c.Env[0].Value != "192.0.2.1" {
		t.Errorf("status.podIP is %s", c.Env[0].Value)
	}
	if host := c.ReadinessProbe.Handler.GetHttpGet().Host; host != "10.244.1.2" || pod.Network.Addresses[0] != "10.244.1.2/32" {
		t.Errorf("the probe goes to %s, the machine has %v", host, pod.Network.Addresses)
	}
	pod = build(t, onHost(func(p *v1.Pod) { p.Spec.DNSPolicy = v1.DNSClusterFirstWithHostNet }))
	if pod.Dns.Servers[0] != "10.96.0.10" {
		t.Errorf("servers %v", pod.Dns.Servers)
	}
	if pod := build(t, func(*v1.Pod) {}); pod.NodeHosts != nil {
		t.Error("a pod with a network of its own has the host's entries")
	}
}

func TestHostFiles(t *testing.T) {
	hostPath := func(path string) func(*v1.Pod) {
		return func(p *v1.Pod) {
			p.Spec.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: path}}}}
			p.Spec.Containers[0].VolumeMounts = []v1.VolumeMount{{Name: "v", MountPath: "/etc/hosts-original"}}
		}
	}
	pod := build(t, hostPath("/etc//hosts"))
	files := pod.Volumes[0].GetFiles()
	if !files.Single || len(files.Files) != 1 || files.Files[0].Path != "hosts" || string(files.Files[0].Data) != "192.0.2.7 printer\n" {
		t.Errorf("volume %v", pod.Volumes[0])
	}
	if !pod.Containers[0].Mounts[0].ReadOnly {
		t.Error("the copy can be written to")
	}
	p := &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c"}}}}
	hostPath("/etc/timezone")(p)
	p.Spec.HostNetwork = true
	if got := strings.Join(HostFiles(p), " "); got != "/etc/hosts /etc/timezone" {
		t.Errorf("files %s", got)
	}
	lacking := contents()
	lacking.HostFiles, lacking.MissingFiles = nil, map[string]error{"/etc/timezone": errors.New("is not there"), "/etc/hosts": errors.New("is not readable")}
	problems := Problems(p, lacking, env)
	if text := errors.Join(problems...).Error(); len(problems) != 2 || !strings.Contains(text, `volume "v" : is not there`) || !strings.Contains(text, "hostNetwork: is not readable") {
		t.Errorf("problems %v", problems)
	}
	if _, err := Build(Input{Pod: p, Contents: lacking, Network: podapi.Network{}}, env); err == nil {
		t.Error("it was built without the files")
	}
}

func TestScratchDirs(t *testing.T) {
	scratchDir := func(dir string) func(*v1.Pod) {
		return func(p *v1.Pod) {
			p.Spec.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: dir}}}}
			p.Spec.Containers[0].VolumeMounts = []v1.VolumeMount{{Name: "v", MountPath: "/data"}}
		}
	}
	pod := build(t, scratchDir("/tmp//job/"))
	if files := pod.Volumes[0].GetScratch().GetFiles(); len(files) != 1 || string(files[0].Data) != "left" {
		t.Errorf("volume %v", pod.Volumes[0])
	}
	if pod.Containers[0].Mounts[0].ReadOnly {
		t.Error("nothing can be left there")
	}
	p := &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c"}}}}
	scratchDir("/tmp/none")(p)
	if dirs := ScratchDirs(p); len(HostFiles(p)) != 0 || len(dirs) != 1 || dirs["v"] != "/tmp/none" {
		t.Errorf("directories %v, files %v", dirs, HostFiles(p))
	}
	lacking := contents()
	lacking.MissingFiles = map[string]error{"/tmp/none": errors.New("/tmp/none is not a directory")}
	if problems := Problems(p, lacking, env); len(problems) != 1 || !strings.Contains(problems[0].Error(), `volume "v" : /tmp/none is not a directory`) {
		t.Errorf("problems %v", problems)
	}
}
