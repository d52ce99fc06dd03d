// Package suite knows which conformance tests there are.
package suite

import (
	"fmt"
	"regexp"
	"strings"

	conformance "k8s.io/kubernetes/test/conformance/testdata"
	"sigs.k8s.io/yaml"
)

// Test of upstream's list.
type Test struct {
	Name string // full text, as Ginkgo reports it
	SIG  string // e.g. sig-node
}

// Serial tests disturb others and run alone.
func (t Test) Serial() bool { return strings.Contains(t.Name, "[Serial]") }

var sig = regexp.MustCompile(`^\[(sig-[a-z-]+)\]`)

// All tests of the version of Kubernetes that this program is built from, in the list's order.
func All() ([]Test, error) {
	data, err := conformance.GetConformanceTestdataFS().EmbeddedFS.ReadFile("conformance.yaml")
	if err != nil {
		return nil, err
	}
	var list []struct{ Codename string }
	if err := yaml.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("upstream's list of conformance tests: %w", err)
	}
	tests := make([]Test, len(list))
	for i, item := range list {
		m := sig.FindStringSubmatch(item.Codename)
		if m == nil {
			return nil, fmt.Errorf("upstream's list of conformance tests: %q names no SIG", item.Codename)
		}
		tests[i] = Test{Name: item.Codename, SIG: m[1]}
	}
	return tests, nil
}

// Select returns the tests whose name matches focus and not skip. An empty expression for focus matches all, for skip none.
func Select(tests []Test, focus, skip string) ([]Test, error) {
	in, err := regexp.Compile(focus)
	if err != nil {
		return nil, fmt.Errorf("focus: %w", err)
	}
	out, err := regexp.Compile(skip)
	if err != nil {
		return nil, fmt.Errorf("skip: %w", err)
	}
	var selected []Test
	for _, t := range tests {
		if in.MatchString(t.Name) && (skip == "" || !out.MatchString(t.Name)) {
			selected = append(selected, t)
		}
	}
	return selected, nil
}
