package image

import (
	"maps"
	"slices"
)

// maxKeys bounds the keys that a repository's access list holds: each new pull secret adds some.
const maxKeys = 200

// access says who may use the images of one repository: everybody, or those who show one of the keys. The keys are
// opaque to the host.
type access struct {
	Everybody bool     `json:"everybody,omitempty"`
	Keys      []string `json:"keys,omitempty"`
}

// allows tells whether somebody with these keys may use an image by this repository. An image that came to the host in
// another way than by a pull, or by a hostd that kept no lists, has none: it is everybody's.
func (r record) allows(repository string, keys []string) bool {
	a, ok := r.Access[repository]
	if !ok {
		return len(r.Access) == 0
	}
	return a.Everybody || slices.ContainsFunc(keys, func(key string) bool { return slices.Contains(a.Keys, key) })
}

// withAccess is the record with what a successful pull with these keys proved; changed tells whether that is new.
func (r record) withAccess(repository string, keys []string) (_ record, changed bool) {
	a := r.Access[repository]
	if a.Everybody {
		return r, false
	}
	grown := access{Everybody: len(keys) == 0, Keys: slices.Clone(a.Keys)}
	for _, key := range keys {
		if !slices.Contains(grown.Keys, key) && len(grown.Keys) < maxKeys {
			grown.Keys = append(grown.Keys, key)
		}
	}
	if grown.Everybody {
		grown.Keys = nil
	} else if len(grown.Keys) == len(a.Keys) {
		return r, false
	}
	r.Access = maps.Clone(r.Access)
	if r.Access == nil {
		r.Access = map[string]access{}
	}
	r.Access[repository] = grown
	return r, true
}
