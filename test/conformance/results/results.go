// Package results keeps how each conformance test went when it last ran.
package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/onsi/ginkgo/v2/reporters"
)

// Outcome of a test.
type Outcome string

// Outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // by its own decision
)

// Result of the last run of a test.
type Result struct {
	Outcome Outcome `json:"outcome"`
	Message string  `json:"message,omitempty"` // of what did not pass
	Seconds int     `json:"seconds"`
	Commit  string  `json:"commit"` // of Pacific
}

// Results by the names of tests.
type Results map[string]Result

// Load reads a file of results; there are none when there is no file.
func Load(file string) (Results, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Results{}, nil
	}
	if err != nil {
		return nil, err
	}
	r := Results{}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// Save writes the file anew, sorted by name.
func (r Results) Save(file string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(file, append(data, '\n'), 0o644)
}

// Of a case of a JUnit report.
func Of(c reporters.JUnitTestCase, commit string) Result {
	r := Result{Outcome: Passed, Seconds: int(math.Round(c.Time)), Commit: commit}
	switch {
	case c.Failure != nil:
		r.Outcome, r.Message = Failed, brief(c.Failure.Description)
	case c.Error != nil:
		r.Outcome, r.Message = Failed, brief(c.Error.Description)
	case c.Skipped != nil:
		r.Outcome, r.Message = Skipped, brief(strings.TrimPrefix(c.Skipped.Message, "skipped - "))
	}
	return r
}

// longest message that a table can show.
const longest = 300

// brief is the first part of a failure: Ginkgo's mark of its kind taken off, without the dumps of objects and the stack.
func brief(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.Join(strings.Fields(line), " ")
		if strings.HasPrefix(line, "In [") || strings.HasPrefix(line, "Full Stack Trace") {
			break
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	joined := strings.Join(lines, " ")
	for _, mark := range []string{"[FAILED] ", "[PANICKED] ", "[INTERRUPTED] ", "[TIMEDOUT] "} {
		joined = strings.TrimPrefix(joined, mark)
	}
	if runes := []rune(joined); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return joined
}
