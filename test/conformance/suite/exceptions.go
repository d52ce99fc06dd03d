package suite

import (
	"fmt"
	"regexp"

	"sigs.k8s.io/yaml"
)

// Exceptions are why tests do not pass yet, by the tests' names.
type Exceptions map[string]string

// ReadExceptions reads a list of {reason, tests}, where tests are regular expressions. An expression that fits no test, or one
// that has a reason already, is an error: the list would be wrong.
func ReadExceptions(data []byte, tests []Test) (Exceptions, error) {
	var list []struct {
		Reason string
		Tests  []string
	}
	if err := yaml.UnmarshalStrict(data, &list); err != nil {
		return nil, fmt.Errorf("exceptions: %w", err)
	}
	exceptions := Exceptions{}
	for _, item := range list {
		if item.Reason == "" {
			return nil, fmt.Errorf("exceptions: tests %q have no reason", item.Tests)
		}
		for _, expression := range item.Tests {
			if err := exceptions.add(expression, item.Reason, tests); err != nil {
				return nil, fmt.Errorf("exceptions: %w", err)
			}
		}
	}
	return exceptions, nil
}

func (e Exceptions) add(expression, reason string, tests []Test) error {
	re, err := regexp.Compile(expression)
	if err != nil {
		return err
	}
	found := false
	for _, t := range tests {
		if !re.MatchString(t.Name) {
			continue
		}
		if other, ok := e[t.Name]; ok && other != reason {
			return fmt.Errorf("test %q has two reasons: %q and %q", t.Name, other, reason)
		}
		e[t.Name], found = reason, true
	}
	if !found {
		return fmt.Errorf("no conformance test matches %q", expression)
	}
	return nil
}
