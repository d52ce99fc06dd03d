package podspec

import (
	"strings"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
	podapi "pacific/api/pod"
	"pacific/internal/spherelet/sizing"
)

var env = Environment{NodeName: "host-1", HostIPs: []string{"192.0.2.1"}, ClusterDNS: []string{"10.96.0.10"}, ClusterDomain: "cluster.local",
	Resolver: Resolver{Servers: []string{"192.0.2.53"}, Searches: []string{"example.org"}}}

func contents() *Contents {
	return &Contents{
		ConfigMaps: map[string]*v1.ConfigMap{"cm": {Data: map[string]string{"a": "1", "b": "2"}, BinaryData: map[string][]byte{"bin": {0}}}},
		Secrets:    map[string]*v1.Secret{"s": {Data: map[string][]byte{"key": []byte("hidden")}}},
		Tokens:     map[TokenKey]string{{"api", "token"}: "jwt"},
		HostFiles:  map[string][]byte{"/etc/hosts": []byte("192.0.2.7 printer\n")},
		Scratch:    map[string][]*agentv1.File{"/tmp/job": {{Path: "foo", Data: []byte("left")}}},
		Missing:    map[Reference]error{{Name: "none"}: apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, "none")},
		Services: []*v1.Service{
			{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"}, Spec: v1.ServiceSpec{ClusterIP: "10.96.0.1", Ports: []v1.ServicePort{{Port: 443, Protocol: v1.ProtocolTCP}}}},
			{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db"}, Spec: v1.ServiceSpec{ClusterIP: "10.96.0.7", Ports: []v1.ServicePort{{Port: 5432, Protocol: v1.ProtocolTCP}}}},
			{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "far"}, Spec: v1.ServiceSpec{ClusterIP: "10.96.0.8", Ports: []v1.ServicePort{{Port: 1}}}},
		},
	}
}

func build(t *testing.T, edit func(*v1.Pod)) *agentv1.Pod {
	t.Helper()
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web", UID: "u", Labels: map[string]string{"app": "web"}},
		Spec: v1.PodSpec{NodeName: "host-1", Containers: []v1.Container{{Name: "c", Image: "i"}}}}
	edit(pod)
	out, err := Build(Input{Pod: pod, Contents: contents(), Network: podapi.Network{Addresses: []string{"10.244.1.2/32"}}, Size: sizing.Size{VCPUs: 2, MemoryBytes: 512 << 20},
		Images: map[string]Image{"c": {Reference: pod.Spec.Containers[0].Image, Digest: "sha256:a", LUN: 3, Filesystem: "erofs"}}, Now: time.Unix(1000, 0)}, env)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEnvironment(t *testing.T) {
	field := func(path string) *v1.EnvVarSource {
		return &v1.EnvVarSource{FieldRef: &v1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}
	}
	c := build(t, func(p *v1.Pod) {
		c := &p.Spec.Containers[0]
		c.Resources.Limits = v1.ResourceList{v1.ResourceCPU: resource.MustParse("1500m")}
		c.EnvFrom = []v1.EnvFromSource{{Prefix: "CM_", ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "cm"}}},
			{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "none"}, Optional: ptr.To(true)}}}
		c.Env = []v1.EnvVar{
			{Name: "SECRET", ValueFrom: &v1.EnvVarSource{SecretKeyRef: &v1.SecretKeySelector{LocalObjectReference: v1.LocalObjectReference{Name: "s"}, Key: "key"}}},
			{Name: "IP", ValueFrom: field("status.podIP")},
			{Name: "HOST", ValueFrom: field("status.hostIP")},
			{Name: "NAME", ValueFrom: field("metadata.name")},
			{Name: "LABEL", ValueFrom: field("metadata.labels['app']")},
			{Name: "CPU", ValueFrom: &v1.EnvVarSource{ResourceFieldRef: &v1.ResourceFieldSelector{Resource: "limits.cpu"}}},
			{Name: "MEMORY", ValueFrom: &v1.EnvVarSource{ResourceFieldRef: &v1.ResourceFieldSelector{Resource: "limits.memory"}}},
			{Name: "ALL", Value: "$(SECRET) $(CM_a) $(DB_SERVICE_HOST) $$(IP) $(UNKNOWN)"},
			{Name: "CM_b", Value: "replaced"},
			{Name: "NONE", ValueFrom: &v1.EnvVarSource{ConfigMapKeyRef: &v1.ConfigMapKeySelector{LocalObjectReference: v1.LocalObjectReference{Name: "cm"}, Key: "x", Optional: ptr.To(true)}}},
		}
		c.Command = []string{"run", "$(NAME)"}
	}).Containers[0]
	if c.ConfigError != "" {
		t.Fatal(c.ConfigError)
	}
	got := map[string]string{}
	for _, e := range c.Env {
		got[e.Name] = e.Value
	}
	for name, want := range map[string]string{"SECRET": "hidden", "IP": "10.244.1.2", "HOST": "192.0.2.1", "NAME": "web", "LABEL": "web", "CPU": "2", "MEMORY": "536870912",
		"ALL": "hidden 1 10.96.0.7 $(IP) $(UNKNOWN)", "CM_a": "1", "CM_b": "replaced", "KUBERNETES_SERVICE_HOST": "10.96.0.1", "DB_SERVICE_PORT": "5432"} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"NONE", "FAR_SERVICE_HOST"} {
		if v, ok := got[name]; ok {
			t.Errorf("%s = %q, want none", name, v)
		}
	}
	if c.Env[0].Name != "CM_a" || c.Command[1] != "web" {
		t.Errorf("order %s, command %v", c.Env[0].Name, c.Command)
	}
}

func TestConfigErrors(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*v1.Container)
		want string
	}{
		"no ConfigMap": {func(c *v1.Container) {
			c.EnvFrom = []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "none"}}}}
		}, `configmap "none" not found`},
		"no key": {func(c *v1.Container) {
			c.Env = []v1.EnvVar{{Name: "X", ValueFrom: &v1.EnvVarSource{SecretKeyRef: &v1.SecretKeySelector{LocalObjectReference: v1.LocalObjectReference{Name: "s"}, Key: "x"}}}}
		}, "couldn't find key x in Secret ns/s"},
		"no port": {func(c *v1.Container) {
			c.LivenessProbe = &v1.Probe{ProbeHandler: v1.ProbeHandler{TCPSocket: &v1.TCPSocketAction{Port: intstr.FromString("web")}}}
		}, `couldn't find port "web"`},
		"no profile": {func(c *v1.Container) {
			c.SecurityContext = &v1.SecurityContext{SeccompProfile: &v1.SeccompProfile{Type: v1.SeccompProfileTypeLocalhost, LocalhostProfile: ptr.To("p.json")}}
		}, "seccompProfile"},
		"path leaves the volume": {func(c *v1.Container) {
			c.Env = []v1.EnvVar{{Name: "X", Value: "../.."}}
			c.VolumeMounts = []v1.VolumeMount{{Name: "v", SubPathExpr: "$(X)"}}
		}, "must not contain '..'"},
	} {
		t.Run(name, func(t *testing.T) {
			c := build(t, func(p *v1.Pod) { test.edit(&p.Spec.Containers[0]) }).Containers[0]
			if !strings.Contains(c.ConfigError, test.want) {
				t.Errorf("error %q does not say %q", c.ConfigError, test.want)
			}
		})
	}
}

func TestVolumes(t *testing.T) {
	out := build(t, func(p *v1.Pod) {
		p.Spec.SecurityContext = &v1.PodSecurityContext{RunAsUser: ptr.To[int64](1000)}
		p.Spec.Volumes = []v1.Volume{
			{Name: "scratch", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumMemory, SizeLimit: ptr.To(resource.MustParse("1Mi"))}}},
			{Name: "cm", VolumeSource: v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: v1.LocalObjectReference{Name: "cm"},
				Items: []v1.KeyToPath{{Key: "a", Path: "dir/a", Mode: ptr.To[int32](0o400)}}, DefaultMode: ptr.To[int32](0o640)}}},
			{Name: "api", VolumeSource: v1.VolumeSource{Projected: &v1.ProjectedVolumeSource{DefaultMode: ptr.To[int32](0o644), Sources: []v1.VolumeProjection{
				{ServiceAccountToken: &v1.ServiceAccountTokenProjection{Path: "token"}},
				{ConfigMap: &v1.ConfigMapProjection{LocalObjectReference: v1.LocalObjectReference{Name: "cm"}}},
				{DownwardAPI: &v1.DownwardAPIProjection{Items: []v1.DownwardAPIVolumeFile{{Path: "namespace", FieldRef: &v1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"}}}}},
			}}}},
		}
	})
	if e := out.Volumes[0].GetEmptyDir(); !e.Memory || e.SizeLimitBytes != 1<<20 {
		t.Errorf("emptyDir: %v", e)
	}
	if f := out.Volumes[1].GetFiles().Files; len(f) != 1 || f[0].Path != "dir/a" || f[0].Mode != 0o400 || string(f[0].Data) != "1" {
		t.Errorf("configMap: %v", f)
	}
	files := map[string]*agentv1.File{}
	for _, f := range out.Volumes[2].GetFiles().Files {
		files[f.Path] = f
	}
	if f := files["token"]; string(f.Data) != "jwt" || f.Mode != 0o600 || f.GetUid() != 1000 {
		t.Errorf("token: mode %o, user %d", f.Mode, f.GetUid())
	}
	if string(files["namespace"].Data) != "ns" || files["bin"] == nil || files["a"].Mode != 0o644 {
		t.Errorf("projected: %v", files)
	}
}

func TestMissingVolume(t *testing.T) {
	pod := &v1.Pod{Spec: v1.PodSpec{Volumes: []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: v1.LocalObjectReference{Name: "none"}}}}}}}
	problems := Problems(pod, contents(), env)
	if want := `MountVolume.SetUp failed for volume "v" : configmap "none" not found`; len(problems) != 1 || problems[0].Error() != want {
		t.Errorf("problems %v, want %s", problems, want)
	}
	pod.Spec.Volumes[0].ConfigMap.Optional = ptr.To(true)
	if problems := Problems(pod, contents(), env); len(problems) != 0 {
		t.Errorf("problems with an optional one: %v", problems)
	}
}

func TestContainer(t *testing.T) {
	c := build(t, func(p *v1.Pod) {
		p.Spec.SecurityContext = &v1.PodSecurityContext{RunAsUser: ptr.To[int64](1), FSGroup: ptr.To[int64](7), SupplementalGroups: []int64{8}, SeccompProfile: &v1.SeccompProfile{Type: v1.SeccompProfileTypeRuntimeDefault}}
		p.Spec.Containers[0] = v1.Container{Name: "c", Image: "i", Ports: []v1.ContainerPort{{Name: "web", ContainerPort: 8080}},
			ReadinessProbe:  &v1.Probe{PeriodSeconds: 5, ProbeHandler: v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: "/", Port: intstr.FromString("web")}}},
			Lifecycle:       &v1.Lifecycle{PreStop: &v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: 2}}},
			SecurityContext: &v1.SecurityContext{RunAsUser: ptr.To[int64](2), AllowPrivilegeEscalation: ptr.To(false), Capabilities: &v1.Capabilities{Drop: []v1.Capability{"ALL"}}},
		}
	}).Containers[0]
	if h := c.ReadinessProbe.Handler.GetHttpGet(); h.Port != 8080 || h.Host != "10.244.1.2" || c.ReadinessProbe.TimeoutSeconds != 1 {
		t.Errorf("probe: %v", c.ReadinessProbe)
	}
	if c.PreStop.GetSleepSeconds() != 2 {
		t.Errorf("preStop: %v", c.PreStop)
	}
	s := c.Security
	if s.GetRunAsUser() != 2 || !s.NoNewPrivileges || s.Seccomp != "runtime/default" || s.DropCapabilities[0] != "ALL" || len(s.SupplementalGroups) != 2 {
		t.Errorf("security: %v", s)
	}
	if c.ImageDisk.Lun != 3 || !c.ImageDisk.ReadOnly || c.ImageId != "sha256:a" {
		t.Errorf("image: %v", c.ImageDisk)
	}
}

func TestDNS(t *testing.T) {
	tests := []struct {
		name     string
		spec     v1.PodSpec
		servers  string
		searches string
		options  string
	}{
		{"ClusterFirst", v1.PodSpec{DNSPolicy: v1.DNSClusterFirst}, "10.96.0.10", "ns.svc.cluster.local svc.cluster.local cluster.local example.org", "ndots:5"},
		{"Default", v1.PodSpec{DNSPolicy: v1.DNSDefault}, "192.0.2.53", "example.org", ""},
		{"None", v1.PodSpec{DNSPolicy: v1.DNSNone, DNSConfig: &v1.PodDNSConfig{Nameservers: []string{"1.1.1.1"}}}, "1.1.1.1", "", ""},
		{"option replaced", v1.PodSpec{DNSPolicy: v1.DNSClusterFirst, DNSConfig: &v1.PodDNSConfig{Options: []v1.PodDNSConfigOption{{Name: "ndots", Value: ptr.To("2")}}}},
			"10.96.0.10", "ns.svc.cluster.local svc.cluster.local cluster.local example.org", "ndots:2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := DNS(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns"}, Spec: test.spec}, env)
			join := func(l []string) string { return strings.Join(l, " ") }
			if join(d.Servers) != test.servers || join(d.Searches) != test.searches || join(d.Options) != test.options {
				t.Errorf("got %v", d)
			}
		})
	}
	r := ParseResolver(strings.NewReader("# x\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch a b\noptions edns0\n"))
	if len(r.Servers) != 1 || len(r.Searches) != 2 || r.Options[0] != "edns0" {
		t.Errorf("resolver: %+v", r)
	}
}

func TestHostname(t *testing.T) {
	for _, test := range []struct {
		spec         v1.PodSpec
		host, domain string
	}{
		{v1.PodSpec{}, "web", ""},
		{v1.PodSpec{Hostname: "h", Subdomain: "s"}, "h", "s.ns.svc.cluster.local"},
		{v1.PodSpec{Hostname: "h", Subdomain: "s", SetHostnameAsFQDN: ptr.To(true)}, "h.s.ns.svc.cluster.local", "s.ns.svc.cluster.local"},
		{v1.PodSpec{HostnameOverride: ptr.To("o")}, "o", ""},
		{v1.PodSpec{HostNetwork: true, Hostname: "h", Subdomain: "s"}, "host-1", ""},
	} {
		host, domain := Hostname(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web"}, Spec: test.spec}, env)
		if host != test.host || domain != test.domain {
			t.Errorf("got %s, %s; want %s, %s", host, domain, test.host, test.domain)
		}
	}
}

func TestRenewAt(t *testing.T) {
	issued := time.Unix(0, 0)
	token := func(seconds int64) *authv1.TokenRequest {
		return &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{ExpirationSeconds: &seconds},
			Status: authv1.TokenRequestStatus{ExpirationTimestamp: metav1.NewTime(issued.Add(time.Duration(seconds) * time.Second))}}
	}
	if got := RenewAt(token(3600)).Sub(issued); got != 48*time.Minute {
		t.Errorf("an hour's token is renewed after %s", got)
	}
	if got := RenewAt(token(30 * 86400)).Sub(issued); got != 24*time.Hour {
		t.Errorf("a month's token is renewed after %s", got)
	}
}
