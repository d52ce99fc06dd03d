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

// missed notes a machine that was to be started. What runs no personality that is foreseen counts for nothing, as the pull of an image,
// which comes between the first pods that want it.
func (d *demand) missed(class template.Class, foreseen []template.Class) {
	if !slices.ContainsFunc(foreseen, func(c template.Class) bool { return c.Personality == class.Personality }) {
		return
	}
	if d.last == class {
		d.lately = class
	}
	d.last = class
}

// classes are those that are foreseen, and before them the one in demand.
func (d *demand) classes(foreseen []template.Class) []template.Class {
	if d.lately == (template.Class{}) || slices.Contains(foreseen, d.lately) {
		return foreseen
	}
	return append([]template.Class{d.lately}, foreseen...)
}
