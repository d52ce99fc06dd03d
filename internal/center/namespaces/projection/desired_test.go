package projection

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"pacific/internal/center/namespaces/spec"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files")

func golden(t *testing.T, name string, objects []Object) {
	t.Helper()
	var got bytes.Buffer
	for i, o := range objects {
		if i > 0 {
			got.WriteString("---\n")
		}
		data, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		got.Write(data)
	}
	file := filepath.Join("testdata", name+".yaml")
	if *rewrite {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil { //nolint:gosec // a golden file
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s: got\n%s", file, &got)
	}
}

var (
	supervisor = Supervisor{
		Cluster: "domain-c1", MHzPerCore: 2000, Administrators: "sso:Administrators@pacific.local",
		Classes: map[string]string{"policy-1": "gold", "policy-2": "silver"},
	}
	plain = Namespace{Name: "team-a", UID: "5d1c", ResourcePool: "resgroup-12", Folder: "group-v13"}
)

func full() Namespace {
	ns := plain
	ns.SelfService = true
	ns.Settings = spec.Settings{
		Resources: spec.Resources{
			CPULimit: ptr.To[int64](1000), MemoryLimit: ptr.To[int64](1024), StorageRequestLimit: ptr.To[int64](20480),
			CPULimitDefault: ptr.To[int64](500), CPURequestDefault: ptr.To[int64](101), MemoryLimitDefault: ptr.To[int64](512),
			Pods: ptr.To[int64](20), Deployments: ptr.To[int64](0), Jobs: ptr.To[int64](7),
		},
		Access: []spec.Access{
			{SubjectType: spec.User, Subject: "dev1", Domain: "corp.local", Role: spec.RoleEdit},
			{SubjectType: spec.User, Subject: "view1", Domain: "corp.local", Role: spec.RoleView},
			{SubjectType: spec.Group, Subject: "leads", Domain: "corp.local", Role: spec.RoleOwner},
		},
		Storage: []spec.Storage{{Policy: "policy-1", Limit: ptr.To[int64](20480)}},
	}
	return ns
}

func TestDesired(t *testing.T) {
	for name, ns := range map[string]Namespace{"plain": plain, "full": full()} {
		objects, err := Desired(ns, supervisor)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, objects)
	}
	permissions := []Permission{{spec.User, "dev1", "corp.local"}}
	golden(t, "cluster", DesiredOfCluster(supervisor, SelfServiceUsers(permissions, full().Settings.Access)))
	golden(t, "cluster-plain", DesiredOfCluster(Supervisor{Cluster: "domain-c1"}, nil))
}

func TestFrequencyIsNeededForMHzOnly(t *testing.T) {
	on := supervisor
	on.MHzPerCore = 0
	if _, err := Desired(plain, on); err != nil {
		t.Error(err)
	}
	for _, r := range []spec.Resources{{CPULimit: ptr.To[int64](1)}, {CPURequestDefault: ptr.To[int64](1)}} {
		ns := plain
		ns.Settings.Resources = r
		if _, err := Desired(ns, on); err == nil {
			t.Errorf("%+v: no error", r)
		}
	}
}

func TestAdministratorsAreBoundOnce(t *testing.T) {
	ns := plain
	ns.Settings.Access = []spec.Access{{SubjectType: spec.Group, Subject: "administrators", Domain: "pacific.local", Role: spec.RoleOwner}}
	if bindings := roleBindings(ns, supervisor); len(bindings) != 2 {
		t.Errorf("got %d bindings", len(bindings))
	}
	ns.Settings.Access[0].Role = spec.RoleView
	if bindings := roleBindings(ns, supervisor); len(bindings) != 2 {
		t.Errorf("got %d bindings", len(bindings))
	}
}

func TestSame(t *testing.T) {
	objects, err := Desired(full(), supervisor)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		actual := o.DeepCopy()
		actual.SetUID("u")
		actual.SetLabels(map[string]string{"team": "x"})
		if same(o, actual.Object) {
			t.Errorf("%s: labels that are gone are not missed", o.GetKind())
		}
		labels := o.GetLabels()
		labels["team"] = "x"
		actual.SetLabels(labels)
		if !same(o, actual.Object) {
			t.Errorf("%s: somebody else's label is taken for a difference", o.GetKind())
		}
	}
	quota := objects[1].DeepCopy()
	quota.Object["spec"].(map[string]any)["hard"].(map[string]any)["count/secrets"] = "1"
	if same(objects[1], quota.Object) {
		t.Error("one more limit in a quota is not seen")
	}
	if fixed := corrected(objects[1], quota); !same(objects[1], fixed.Object) {
		t.Errorf("got %v", fixed)
	}
	ns := objects[0].DeepCopy()
	ns.SetAnnotations(map[string]string{"vmware-system-resource-pool-cpu-limit": "3"})
	before, err := Desired(plain, supervisor)
	if err != nil {
		t.Fatal(err)
	}
	stale := before[0].DeepCopy()
	annotations := stale.GetAnnotations()
	annotations["vmware-system-resource-pool-cpu-limit"], annotations["pacific.internal/creator"] = "3", "sso:a@b"
	stale.SetAnnotations(annotations)
	if same(before[0], stale.Object) {
		t.Error("a limit that was lifted is not seen")
	}
	fixed := corrected(before[0], stale)
	if !same(before[0], fixed.Object) || fixed.GetAnnotations()["pacific.internal/creator"] == "" {
		t.Errorf("got %v", fixed)
	}
}
