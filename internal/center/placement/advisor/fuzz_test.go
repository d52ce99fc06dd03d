package advisor

import (
	"testing"

	"pacific/internal/center/placement"
	"pacific/internal/center/rest"
)

// Whatever is asked is refused or answered.
func FuzzQuestion(f *testing.F) {
	for _, seed := range []string{
		`{"cpu_count":2,"memory_mib":4096,"count":3,"anti_affinity":["g"],"affinity":["h"],"disks":[{"capacity_mib":10}]}`,
		`{"cpu_count":1,"memory_mib":1,"memory_reservation_mib":0,"rules":[{"type":"SPREAD","group":"g","label":"z"},{"type":"ON_HOSTS","group":"g","hosts":["host-1"]}]}`,
		`{"vm":"x"}`, `{"count":-1}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	in := placement.Inventory{Hosts: []placement.Host{host("host-1"), host("host-2")}, Machines: []placement.Machine{member("vm-1", "cp-1", "host-1")}}
	f.Fuzz(func(t *testing.T, body []byte) {
		var q question
		if rest.DecodeJSON(body, &q) != nil || q.check() != nil {
			return
		}
		in := in
		in.Rules = q.rules(nil)
		set := placement.PlaceAll(in, q.machines())
		if set.Message == "" || set.Text() == "" {
			t.Errorf("no answer to %s", body)
		}
	})
}
