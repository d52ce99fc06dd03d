// Package report writes docs/conformance.md.
package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pacific/test/conformance/results"
	"pacific/test/conformance/suite"
)

// Input of the report.
type Input struct {
	Version    string // of Kubernetes
	Tests      []suite.Test
	Exceptions suite.Exceptions
	Results    results.Results
}

// status of a test in the report.
type status string

const (
	passed    status = "passed"
	failed    status = "failed"
	skipped   status = "skipped"
	exception status = "exception"
	notRun    status = "not run"
)

var columns = []status{passed, failed, skipped, exception, notRun}

// status says how a test stands: what passes is no exception any more, what does not and has a reason is one.
func (in Input) status(t suite.Test) status {
	result, ran := in.Results[t.Name]
	_, excepted := in.Exceptions[t.Name]
	switch {
	case ran && result.Outcome == results.Passed:
		return passed
	case excepted:
		return exception
	case !ran:
		return notRun
	case result.Outcome == results.Skipped:
		return skipped
	}
	return failed
}

// Markdown is the whole page.
func Markdown(in Input) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Conformance

Upstream's conformance tests of Kubernetes %s, run by `+"`make conformance`"+`, which writes this page. [development.md](development.md#conformance) says how.

`, in.Version)
	b.WriteString(in.table())
	b.WriteString(in.exceptions())
	b.WriteString(in.troubles("Failed", failed))
	b.WriteString(in.troubles("Skipped by their own decision", skipped))
	b.WriteString(in.names("Not run", notRun))
	b.WriteString(in.passes())
	return b.String()
}

func (in Input) table() string {
	counts := map[string]map[status]int{}
	total := map[status]int{}
	for _, t := range in.Tests {
		if counts[t.SIG] == nil {
			counts[t.SIG] = map[status]int{}
		}
		counts[t.SIG][in.status(t)]++
		total[in.status(t)]++
	}
	var b strings.Builder
	b.WriteString("| | tests |")
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", c)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, sig := range slices.Sorted(maps.Keys(counts)) {
		b.WriteString(row(sig, counts[sig]))
	}
	b.WriteString(row("all", total))
	return b.String()
}

func row(name string, counts map[status]int) string {
	sum, cells := 0, ""
	for _, c := range columns {
		sum += counts[c]
		cells += fmt.Sprintf(" %d |", counts[c])
	}
	return fmt.Sprintf("| %s | %d |%s\n", name, sum, cells)
}

// exceptions lists the tests that have a reason, by reason.
func (in Input) exceptions() string {
	byReason := map[string][]string{}
	for _, t := range in.having(exception) {
		reason := in.Exceptions[t.Name]
		byReason[reason] = append(byReason[reason], t.Name)
	}
	if len(byReason) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n## Exceptions\n")
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		fmt.Fprintf(&b, "\n%s\n\n", reason)
		for _, name := range byReason[reason] {
			fmt.Fprintf(&b, "- %s\n", escape(name))
		}
	}
	return b.String()
}

// troubles lists tests with what they said.
func (in Input) troubles(title string, s status) string {
	tests := in.having(s)
	if len(tests) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n| test | reason | commit |\n|---|---|---|\n", title)
	for _, t := range tests {
		r := in.Results[t.Name]
		fmt.Fprintf(&b, "| %s | %s | %s |\n", escape(t.Name), escape(r.Message), r.Commit)
	}
	return b.String()
}

func (in Input) names(title string, s status) string {
	tests := in.having(s)
	if len(tests) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n", title)
	for _, t := range tests {
		fmt.Fprintf(&b, "- %s\n", escape(t.Name))
	}
	return b.String()
}

// passes lists the rest, with how long each took and the commit that it ran on.
func (in Input) passes() string {
	tests := in.having(passed)
	if len(tests) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n## Passed\n\n| test | seconds | commit |\n|---|---|---|\n")
	for _, t := range tests {
		r := in.Results[t.Name]
		fmt.Fprintf(&b, "| %s | %d | %s |\n", escape(t.Name), r.Seconds, r.Commit)
	}
	return b.String()
}

func (in Input) having(s status) []suite.Test {
	var tests []suite.Test
	for _, t := range in.Tests {
		if in.status(t) == s {
			tests = append(tests, t)
		}
	}
	return tests
}

// escape keeps a test's text from being Markdown.
func escape(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "*", "\\*", "[", "\\[", "]", "\\]", "_", "\\_", "\n", " ").Replace(text)
}
