package standby

import (
	"slices"

	"pacific/internal/host/template"
)

// demand is what machines were started of for which there was no standby. A class that is asked for twice in a row gets its own: a
// host's pods are often alike, and of another size than was foreseen. One that comes once does not: a standby costs more than it
// saves.
type demand struct {
	last, lately template.Class
}

// missed notes a machine that was to be started.
func (d *demand) missed(class template.Class) {
	if d.last == class {
		d.lately = class
	}
	d.last = class
}

// classes are those that are foreseen, and before them the one in demand. What runs no personality that is foreseen, as a pull of an
// image, gets none.
func (d *demand) classes(foreseen []template.Class) []template.Class {
	if d.lately == (template.Class{}) || slices.Contains(foreseen, d.lately) {
		return foreseen
	}
	if !slices.ContainsFunc(foreseen, func(c template.Class) bool { return c.Personality == d.lately.Personality }) {
		return foreseen
	}
	return append([]template.Class{d.lately}, foreseen...)
}
