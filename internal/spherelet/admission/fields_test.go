package admission

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// field is a row of the tables in docs/pods.md.
type field struct{ state, by, text string }

const document = "../../../docs/pods.md"

// documented fields by "Type.field".
func documented(t *testing.T) map[string]field {
	t.Helper()
	file, err := os.Open(document)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows := map[string]field{}
	section := ""
	row := regexp.MustCompile("^\\| `([A-Za-z]+)` \\| ([a-z]+) \\| (.*?) \\| (.*) \\|$")
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "### "); ok {
			section = name
			continue
		}
		m := row.FindStringSubmatch(lines.Text())
		if m == nil || section == "" {
			continue
		}
		key := section + "." + m[1]
		if _, twice := rows[key]; twice {
			t.Errorf("%s stands twice in %s", key, document)
		}
		rows[key] = field{m[2], m[3], m[4]}
	}
	return rows
}

// walk visits every field of the Pod API below a type: its owner as documented, its Go name, its type.
func walk(root reflect.Type, visit func(key, goName string, of reflect.Type) (into bool)) {
	seen := map[reflect.Type]bool{}
	var types func(reflect.Type)
	var fields func(owner string, t reflect.Type)
	fields = func(owner string, t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Anonymous {
				if f.Name == "EphemeralContainerCommon" {
					types(reflect.TypeFor[v1.Container]()) // the same fields
					continue
				}
				fields(owner, f.Type)
				continue
			}
			if visit(owner+"."+jsonName(f), f.Name, f.Type) {
				types(f.Type)
			}
		}
	}
	types = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] || t.PkgPath() != "k8s.io/api/core/v1" {
			return
		}
		seen[t] = true
		fields(t.Name(), t)
	}
	types(root)
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// Every field has a row, and every row a field; a new version of Kubernetes cannot add one unnoticed.
func TestEveryFieldIsDocumented(t *testing.T) {
	rows := documented(t)
	known := map[string]bool{}
	walk(reflect.TypeFor[v1.PodSpec](), func(key, _ string, _ reflect.Type) bool {
		known[key] = true
		row, ok := rows[key]
		if !ok {
			t.Errorf("%s has no row in %s: is it supported, refused, or does it differ?", key, document)
			return false
		}
		if !slices.Contains([]string{"supported", "refused", "differs"}, row.state) {
			t.Errorf("%s is %q; it must be supported, refused or differ", key, row.state)
		}
		if row.state != "supported" && row.text == "" {
			t.Errorf("%s is %s without a reason", key, row.state)
		}
		// What is below a field that has no effect or is refused needs no rows.
		return row.state == "supported" || row.by != "–" && row.state == "differs" && !strings.Contains(row.text, "without effect") && !strings.Contains(key, "windowsOptions") && !strings.Contains(key, "appArmorProfile") && !strings.Contains(key, "schedulingGroup")
	})
	for key := range rows {
		if !known[key] {
			t.Errorf("%s has a row in %s and is no field", key, document)
		}
	}
	if len(known) < 200 {
		t.Errorf("only %d fields were found", len(known))
	}
}

func TestContainersAreAlike(t *testing.T) {
	common, container := reflect.TypeFor[v1.EphemeralContainerCommon](), reflect.TypeFor[v1.Container]()
	for i := range common.NumField() {
		f := common.Field(i)
		if same, ok := container.FieldByName(f.Name); !ok || jsonName(same) != jsonName(f) {
			t.Errorf("ephemeral containers have %s, which other containers have not: it needs a row of its own", f.Name)
		}
	}
}

// empty has room for a pod.
var empty = Node{Allocatable: v1.ResourceList{v1.ResourceMemory: resource.MustParse("1Gi"), v1.ResourcePods: resource.MustParse("1")}}

// part gives an empty value of the type within an otherwise plain pod.
func part(owner string) (*v1.PodSpec, any) {
	spec := &v1.PodSpec{Containers: []v1.Container{{Name: "c"}}}
	c := &spec.Containers[0]
	switch owner {
	case "PodSpec":
		return spec, spec
	case "Container":
		return spec, c
	case "EnvVarSource":
		c.Env = []v1.EnvVar{{Name: "V", ValueFrom: &v1.EnvVarSource{}}}
		return spec, c.Env[0].ValueFrom
	case "ResourceRequirements":
		return spec, &c.Resources
	case "Volume":
		spec.Volumes = []v1.Volume{{Name: "v"}}
		return spec, &spec.Volumes[0]
	case "VolumeProjection":
		spec.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{Projected: &v1.ProjectedVolumeSource{Sources: []v1.VolumeProjection{{}}}}}}
		return spec, &spec.Volumes[0].Projected.Sources[0]
	}
	return nil, nil
}

// fill sets the field with this name to something.
func fill(value reflect.Value, name string) bool {
	for i := range value.NumField() {
		f, v := value.Type().Field(i), value.Field(i)
		switch {
		case f.Anonymous:
			if fill(v, name) {
				return true
			}
		case jsonName(f) != name:
		default:
			v.Set(something(v.Type()))
			return true
		}
	}
	return false
}

func something(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.String:
		v.SetString("x")
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(something(t.Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(t, 1, 1))
	}
	return v
}

// Every row that says so is refused, with the words that the row promises.
func TestRefusals(t *testing.T) {
	tried := 0
	for key, row := range documented(t) {
		if row.state != "refused" {
			continue
		}
		owner, name, _ := strings.Cut(key, ".")
		spec, within := part(owner)
		if spec == nil || !fill(reflect.ValueOf(within).Elem(), name) {
			t.Errorf("%s: the test does not know how to set it", key)
			continue
		}
		tried++
		r := Check(&v1.Pod{Spec: *spec}, empty)
		if r == nil || r.Reason != ReasonNotSupported || !strings.Contains(r.Message(), row.text) {
			t.Errorf("%s: got %v; want %s with %q", key, r, ReasonNotSupported, row.text)
		}
	}
	if tried < 20 {
		t.Errorf("only %d refusals were tried", tried)
	}
}

// Values that are refused of fields that are else supported.
func TestRefusedValues(t *testing.T) {
	for says, edit := range map[string]func(*v1.PodSpec){
		"this node runs only linux pods": func(s *v1.PodSpec) { s.OS = &v1.PodOS{Name: v1.Windows} },
		"spec.containers[0].securityContext.appArmorProfile (c): the kernel of a Native Pod has no AppArmor": func(s *v1.PodSpec) {
			s.Containers[0].SecurityContext = &v1.SecurityContext{AppArmorProfile: &v1.AppArmorProfile{Type: v1.AppArmorProfileTypeRuntimeDefault}}
		},
		"spec.securityContext.appArmorProfile: the kernel of a Native Pod has no AppArmor": func(s *v1.PodSpec) {
			s.SecurityContext = &v1.PodSecurityContext{AppArmorProfile: &v1.AppArmorProfile{Type: v1.AppArmorProfileTypeLocalhost}}
		},
		"spec.securityContext.windowsOptions": func(s *v1.PodSpec) {
			yes := true
			s.SecurityContext = &v1.PodSecurityContext{WindowsOptions: &v1.WindowsSecurityContextOptions{HostProcess: &yes}}
		},
		"an emptyDir of medium": func(s *v1.PodSpec) {
			s.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumHugePages}}}}
		},
		"a Native Pod sees no files of the host but": func(s *v1.PodSpec) {
			s.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: "/var/run/docker.sock"}}}}
		},
		"a Native Pod has only files of the host": func(s *v1.PodSpec) {
			directory := v1.HostPathDirectory
			s.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: "/etc/hosts", Type: &directory}}}}
		},
		"RestartAllContainers": func(s *v1.PodSpec) {
			s.Containers[0].RestartPolicyRules = []v1.ContainerRestartRule{{Action: v1.ContainerRestartRuleActionRestartAllContainers}}
		},
	} {
		spec := v1.PodSpec{Containers: []v1.Container{{Name: "c"}}}
		edit(&spec)
		if r := Check(&v1.Pod{Spec: spec}, empty); r == nil || r.Reason != ReasonNotSupported || !strings.Contains(r.Message(), says) {
			t.Errorf("got %v; want %q", r, says)
		}
	}
	spec := v1.PodSpec{Containers: []v1.Container{{SecurityContext: &v1.SecurityContext{AppArmorProfile: &v1.AppArmorProfile{Type: v1.AppArmorProfileTypeUnconfined}}}}}
	if r := Check(&v1.Pod{Spec: spec}, empty); r != nil {
		t.Errorf("unconfined by AppArmor: %v", r)
	}
}

// A field that the spherelet or the image controller is said to see to is read somewhere in their code.
func TestSupportedFieldsAreRead(t *testing.T) {
	code := map[string]string{"spherelet": source(t, ".."), "image controller": source(t, "../../supervisor/controllers/image"),
		"dataplane": source(t, "../../dataplane")}
	rows := documented(t)
	walk(reflect.TypeFor[v1.PodSpec](), func(key, goName string, _ reflect.Type) bool {
		text, ours := code[rows[key].by]
		if ours && rows[key].state != "refused" && !libraryReads[key] && !regexp.MustCompile(`\.`+goName+`\b`).MatchString(text) {
			t.Errorf("%s is %s by the %s, whose code never reads %s", key, rows[key].state, rows[key].by, goName)
		}
		return rows[key].state == "supported"
	})
}

// libraryReads are fields that are handed to upstream's code as a whole.
var libraryReads = map[string]bool{
	"ResourceFieldSelector.resource": true,
	"ResourceFieldSelector.divisor":  true,
}

func source(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(fmt.Errorf("read the code: %w", err))
	}
	return all.String()
}
