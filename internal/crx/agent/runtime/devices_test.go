package runtime

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/opencontainers/cgroups"
	devices "github.com/opencontainers/cgroups/devices/config"
)

// fakePrograms are the programs of cgroups by directory; a descriptor is the program's identifier + 100.
type fakePrograms struct {
	of   map[string][]uint32
	next uint32
	log  []string
}

func (f *fakePrograms) attached(dir string) ([]uint32, error) { return f.of[dir], nil }
func (f *fakePrograms) hold(id uint32) (int, error)           { return int(id) + 100, nil }

func (f *fakePrograms) attach(dir string, program int) error {
	f.log = append(f.log, fmt.Sprintf("attach %d to %s", program-100, dir))
	f.of[dir] = append(f.of[dir], uint32(program-100))
	return nil
}

func (f *fakePrograms) load(dir string, _ *cgroups.Resources) error {
	if dir == "bad" {
		return errors.New("refused")
	}
	f.next++
	f.log = append(f.log, fmt.Sprintf("load %d into %s", f.next, dir))
	f.of[dir] = []uint32{f.next}
	return nil
}

func rules(allow bool) *cgroups.Resources {
	return &cgroups.Resources{Devices: []*devices.Rule{
		{Type: devices.WildcardDevice, Major: devices.Wildcard, Minor: devices.Wildcard, Permissions: "rwm", Allow: allow},
	}}
}

func TestDeviceFiltersAreLoadedOnce(t *testing.T) {
	fake := &fakePrograms{of: map[string][]uint32{}}
	f := &deviceFilters{load: fake.load, programs: fake, kept: map[string]int{}}
	for _, dir := range []string{"a", "b"} {
		if err := f.set(dir, rules(false)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.set("privileged", rules(true)); err != nil {
		t.Fatal(err)
	}
	if err := f.set("a", rules(true)); err != nil { // has one, which must go
		t.Fatal(err)
	}
	if err := f.set("skipped", &cgroups.Resources{SkipDevices: true}); err != nil {
		t.Fatal(err)
	}
	want := []string{"load 1 into a", "attach 1 to b", "load 2 into privileged", "load 3 into a"}
	if !slices.Equal(fake.log, want) {
		t.Errorf("have %q, want %q", fake.log, want)
	}
	if f.set("bad", &cgroups.Resources{}) == nil {
		t.Error("a filter that cannot be loaded is no error")
	}
}
