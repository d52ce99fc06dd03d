package ginkgo

import (
	"regexp"
	"testing"

	"pacific/test/conformance/suite"
)

func TestFocus(t *testing.T) {
	re := regexp.MustCompile(focus([]suite.Test{{Name: "[sig-node] Pods (a+b) [Conformance]"}, {Name: "[sig-node] c"}}))
	for text, want := range map[string]bool{
		"Kubernetes e2e suite [sig-node] Pods (a+b) [Conformance]":      true,
		"Kubernetes e2e suite [sig-node] c":                             true,
		"Kubernetes e2e suite [sig-node] c d":                           false,
		"Kubernetes e2e suite [sig-node] Pods aab [Conformance]":        false,
		"Kubernetes e2e suite [sig-node] Pods (a+b) [Conformance] more": false,
	} {
		if re.MatchString(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

const junit = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="Kubernetes e2e suite">
<testcase name="[SynchronizedBeforeSuite]" status="passed" time="1"></testcase>
<testcase name="[It] [sig-node] a" status="passed" time="3.5"></testcase>
<testcase name="[It] [sig-node] b" status="failed" time="3.5"><failure message="" type="failed">[FAILED] it did not</failure></testcase>
<testcase name="[It] [sig-node] c" status="skipped" time="0"><skipped message="skipped"></skipped></testcase>
<testcase name="[It] [sig-node] d" status="skipped" time="1"><skipped message="skipped - two nodes are needed"></skipped></testcase>
<testcase name="[It] [sig-node] e" status="skipped" time="0"><skipped message="skipped"></skipped></testcase>
</testsuite></testsuites>`

// What Ginkgo did not come to has no result.
func TestCases(t *testing.T) {
	cases, err := casesOf([]byte(junit), []suite.Test{{Name: "[sig-node] a"}, {Name: "[sig-node] b"}, {Name: "[sig-node] c"}, {Name: "[sig-node] d"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 3 || cases[0].Name != "[sig-node] a" || cases[1].Failure == nil || cases[2].Skipped == nil {
		t.Errorf("%+v", cases)
	}
}
