// Package ginkgo runs upstream's e2e.test.
package ginkgo

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/onsi/ginkgo/v2/reporters"

	"pacific/test/conformance/suite"
)

// cleanUp is how long an interrupted e2e.test may take to delete its namespaces.
const cleanUp = 90 * time.Second

// Program is upstream's e2e.test and what all its runs have in common.
type Program struct {
	Path       string // e2e.test
	Kubeconfig string
	Kubectl    string
	Registries string // file for KUBE_TEST_REPO_LIST
}

// Run runs tests in one process, one after another, and returns what it reports of them; a test that it did not come to is
// not among them. Its output goes to the file log. The error says why there is no report.
func (p Program) Run(ctx context.Context, tests []suite.Test, log string) ([]reporters.JUnitTestCase, error) {
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, p.Path, p.arguments(tests, dir)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "KUBE_TEST_REPO_LIST="+p.Registries)
	cmd.Stdout, cmd.Stderr = out, out
	// It shall hear of an interrupt from us only, once: a second one would keep it from cleaning up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = cleanUp
	runErr := cmd.Run()
	report, err := os.ReadFile(filepath.Join(dir, "junit_01.xml"))
	if err != nil {
		return nil, fmt.Errorf("e2e.test wrote no report (%v); see %s", runErr, log)
	}
	cases, err := casesOf(report, tests)
	if err != nil {
		return nil, fmt.Errorf("report of e2e.test: %w; see %s", err, log)
	}
	return cases, nil
}

func (p Program) arguments(tests []suite.Test, dir string) []string {
	return []string{
		"--kubeconfig=" + p.Kubeconfig,
		"--kubectl-path=" + p.Kubectl,
		"--provider=skeleton",
		"--report-dir=" + dir,
		"--e2e-output-dir=" + dir,
		"--repo-root=" + dir,
		"--disable-log-dump",
		"--ginkgo.focus=" + focus(tests),
		"--ginkgo.no-color",
		"--ginkgo.v",
		// The tests have time limits of their own.
		"--ginkgo.timeout=24h",
		"--test.timeout=0",
	}
}

// focus matches exactly these tests. Ginkgo puts the suite's description before a test's text.
func focus(tests []suite.Test) string {
	names := make([]string, len(tests))
	for i, t := range tests {
		names[i] = regexp.QuoteMeta(t.Name)
	}
	return ` (` + strings.Join(names, "|") + `)$`
}

// casesOf returns the report's cases for tests, under the tests' names.
func casesOf(report []byte, tests []suite.Test) ([]reporters.JUnitTestCase, error) {
	var suites reporters.JUnitTestSuites
	if err := xml.Unmarshal(report, &suites); err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, t := range tests {
		wanted[t.Name] = true
	}
	var cases []reporters.JUnitTestCase
	for _, s := range suites.TestSuites {
		for _, c := range s.TestCases {
			c.Name = strings.TrimPrefix(c.Name, "[It] ")
			// Ginkgo says so of what it did not come to, with no reason.
			passedOver := c.Skipped != nil && c.Skipped.Message == "skipped"
			if wanted[c.Name] && !passedOver {
				cases = append(cases, c)
			}
		}
	}
	return cases, nil
}
