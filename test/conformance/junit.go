package main

import (
	"encoding/xml"

	"github.com/google/renameio/v2"
	"github.com/onsi/ginkgo/v2/reporters"
)

// writeJUnit writes the cases of one run, in full.
func writeJUnit(file string, cases []reporters.JUnitTestCase) error {
	s := reporters.JUnitTestSuite{Name: "Kubernetes conformance", Tests: len(cases), TestCases: cases}
	for _, c := range cases {
		s.Time += c.Time
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
	all := reporters.JUnitTestSuites{
		Tests: s.Tests, Disabled: s.Skipped, Errors: s.Errors, Failures: s.Failures, Time: s.Time,
		TestSuites: []reporters.JUnitTestSuite{s},
	}
	data, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(file, append([]byte(xml.Header), data...), 0o644)
}
