// Package archtest holds the rules of the architecture; its test fails when the code breaks one.
package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// Package of the module, as go list shows it.
type Package struct {
	ImportPath string
	Dir        string
	Name       string
	GoFiles    []string
	Imports    []string // direct
	Deps       []string // all, transitively
}

// forbidden says that no package below From may depend on one below To, directly or not.
type forbidden struct{ From, To, Why string }

var dependencies = []forbidden{
	{"pacific/internal/crx", "k8s.io", "what runs in a guest knows no Kubernetes libraries: it has to be small and to stand on its own"},
	{"pacific/internal/crx", "pacific/internal/host", "the guest and the host share contracts (api/, internal/channel) and nothing else"},
	{"pacific/internal/host", "k8s.io", "a host runs machines; that Kubernetes is one user of them is not its business"},
	{"pacific/internal/host", "pacific/internal/crx/agent", "the host never does a pod's work"},
	{"pacific/api", "pacific/internal", "contracts depend on no implementation"},
}

// owned says that only the packages below Owners may import one below Library, since all of its use shall be in one place.
type owned struct {
	Library string
	Owners  []string
}

var libraries = []owned{
	// The agent's main is executed again as the first process of a container, before anything of ours runs.
	{"github.com/opencontainers/runc/libcontainer", []string{"pacific/internal/crx/agent/runtime", "pacific/cmd/crx/agent"}},
	{"go.etcd.io/etcd/server/v3", []string{"pacific/internal/supervisor"}},
	{"k8s.io/kubernetes/pkg/proxy", []string{"pacific/internal/dataplane"}},
}

// maxMainLines keeps main packages to wiring.
const maxMainLines = 80

// Violations of the rules by packages, each a sentence.
func Violations(packages []Package) []string {
	var found []string
	for _, p := range packages {
		for _, rule := range dependencies {
			if dep := firstBelow(p.Deps, rule.To); below(p.ImportPath, rule.From) && dep != "" {
				found = append(found, fmt.Sprintf("%s depends on %s: %s", p.ImportPath, dep, rule.Why))
			}
		}
		for _, rule := range libraries {
			if dep := firstBelow(p.Imports, rule.Library); dep != "" && !slices.ContainsFunc(rule.Owners, func(o string) bool { return below(p.ImportPath, o) }) {
				found = append(found, fmt.Sprintf("%s imports %s, which only %s may", p.ImportPath, dep, strings.Join(rule.Owners, ", ")))
			}
		}
	}
	return found
}

func firstBelow(paths []string, root string) string {
	for _, path := range paths {
		if below(path, root) {
			return path
		}
	}
	return ""
}

func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }
