package report

import (
	"flag"
	"os"
	"testing"

	"pacific/test/conformance/results"
	"pacific/test/conformance/suite"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func TestMarkdown(t *testing.T) {
	got := Markdown(Input{
		Version: "v1.0.0",
		Tests: []suite.Test{
			{Name: "[sig-node] Pods pass", SIG: "sig-node"},
			{Name: "[sig-node] Pods fail", SIG: "sig-node"},
			{Name: "[sig-node] Pods skip themselves", SIG: "sig-node"},
			{Name: "[sig-node] Pods wait", SIG: "sig-node"},
			{Name: "[sig-network] DNS fails", SIG: "sig-network"},
			{Name: "[sig-network] DNS does not run", SIG: "sig-network"},
			{Name: "[sig-network] DNS passes now", SIG: "sig-network"},
		},
		Exceptions: suite.Exceptions{
			"[sig-network] DNS fails":        "The cluster has no DNS.",
			"[sig-network] DNS does not run": "The cluster has no DNS.",
			"[sig-network] DNS passes now":   "The cluster has no DNS.",
		},
		Results: results.Results{
			"[sig-node] Pods pass":            {Outcome: results.Passed, Seconds: 4, Commit: "c1"},
			"[sig-node] Pods fail":            {Outcome: results.Failed, Message: "a|b <nil>", Commit: "c1"},
			"[sig-node] Pods skip themselves": {Outcome: results.Skipped, Message: "needs two nodes", Commit: "c2"},
			"[sig-network] DNS fails":         {Outcome: results.Failed, Message: "no DNS", Commit: "c2"},
			"[sig-network] DNS passes now":    {Outcome: results.Passed, Seconds: 1, Commit: "c2"},
			"[sig-node] gone from the list":   {Outcome: results.Failed, Commit: "c0"},
		},
	})
	const golden = "testdata/page.md"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("page is\n%s", got)
	}
}
