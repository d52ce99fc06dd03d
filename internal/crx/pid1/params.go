package pid1

import (
	"strings"

	"pacific/api/crx"
)

// Params are the kernel parameters that are meant for PID 1.
type Params struct {
	// Personality's name; [crx.PersonalityProbe] is built in, every other is the file [crx.PersonalityPath].
	Personality string
	// Hostname, empty to keep the kernel's.
	Hostname string
	// Template holds the personality once it waits for work.
	Template bool
}

// ParseParams reads the kernel command line. As with the kernel's own parameters the last of several counts, and a value
// with spaces stands in double quotes.
func ParseParams(cmdline string) Params {
	var p Params
	for _, word := range words(cmdline) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case crx.ParamPersonality:
			p.Personality = value
		case crx.ParamHostname:
			p.Hostname = value
		case crx.ParamTemplate:
			p.Template = value == "1"
		}
	}
	return p
}

// words splits a kernel command line at white space outside of quotes, and drops the quotes.
func words(cmdline string) []string {
	quoted := false
	fields := strings.FieldsFunc(cmdline, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\n' || r == '\t')
	})
	for i := range fields {
		fields[i] = strings.ReplaceAll(fields[i], `"`, "")
	}
	return fields
}
