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
	"time"

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
	// Ended is when, to the second; zero in results that were kept before there was this field.
	Ended time.Time `json:"ended,omitzero"`
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

// Merge takes over what other runs know better: of each test the newest result.
func (r Results) Merge(others Results) {
	for name, other := range others {
		if have, ok := r[name]; !ok || other.Ended.After(have.Ended) {
			r[name] = other
		}
	}
}

// Of a case of a JUnit report that was made at a time.
func Of(c reporters.JUnitTestCase, commit string, now time.Time) Result {
	r := Result{Outcome: Passed, Seconds: int(math.Round(c.Time)), Commit: commit, Ended: now.UTC().Truncate(time.Second)}
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
