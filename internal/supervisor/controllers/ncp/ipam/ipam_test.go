package ipam

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestUsable(t *testing.T) {
	for _, tc := range []struct {
		prefix, addr string
		want         bool
	}{
		{"10.244.1.0/24", "10.244.1.0", false},
		{"10.244.1.0/24", "10.244.1.1", true},
		{"10.244.1.0/24", "10.244.1.254", true},
		{"10.244.1.0/24", "10.244.1.255", false},
		{"10.244.1.0/24", "10.244.2.1", false},
		{"10.244.1.7/24", "10.244.1.0", false},
		{"10.244.0.0/23", "10.244.0.255", true},
		{"10.244.0.0/23", "10.244.1.255", false},
		{"10.244.1.4/31", "10.244.1.4", true},
		{"10.244.1.4/31", "10.244.1.5", true},
		{"10.244.1.4/32", "10.244.1.4", true},
		{"fd00:1::/64", "fd00:1::", false},
		{"fd00:1::/64", "fd00:1::ffff:ffff:ffff:ffff", true},
	} {
		if got := Usable(netip.MustParsePrefix(tc.prefix), netip.MustParseAddr(tc.addr)); got != tc.want {
			t.Errorf("Usable(%s, %s) = %v, want %v", tc.prefix, tc.addr, got, tc.want)
		}
	}
}

func TestAllocateInOrderAndExhaust(t *testing.T) {
	for _, tc := range []struct {
		prefix      string
		first, last string
		count       int
	}{
		{"10.244.1.0/24", "10.244.1.1", "10.244.1.254", 254},
		{"10.244.1.0/30", "10.244.1.1", "10.244.1.2", 2},
		{"10.244.1.0/31", "10.244.1.0", "10.244.1.1", 2},
		{"10.244.1.9/32", "10.244.1.9", "10.244.1.9", 1},
		{"fd00::/120", "fd00::1", "fd00::ff", 255},
		{"0.0.0.0/30", "0.0.0.1", "0.0.0.2", 2},
		{"255.255.255.252/30", "255.255.255.253", "255.255.255.254", 2},
	} {
		a, prefix := New(), netip.MustParsePrefix(tc.prefix)
		var got []netip.Addr
		for i := 0; ; i++ {
			addr, err := a.Allocate(fmt.Sprint("pod-", i), prefix)
			if errors.Is(err, ErrExhausted) {
				break
			}
			got = append(got, addr)
		}
		if len(got) != tc.count || got[0].String() != tc.first || got[len(got)-1].String() != tc.last {
			t.Errorf("%s: %d addresses %v to %v, want %d, %s to %s",
				tc.prefix, len(got), got[0], got[len(got)-1], tc.count, tc.first, tc.last)
		}
		a.Release("pod-0")
		if addr, err := a.Allocate("late", prefix); err != nil || addr != got[0] {
			t.Errorf("%s: after a release got %v, %v; want %v", tc.prefix, addr, err, got[0])
		}
	}
}

func TestReleasedAddressRests(t *testing.T) {
	a, prefix := New(), netip.MustParsePrefix("10.244.1.0/24")
	first, _ := a.Allocate("a", prefix)
	a.Release("a")
	second, _ := a.Allocate("b", prefix)
	if first == second {
		t.Errorf("%v was given again at once", first)
	}
}

func TestHold(t *testing.T) {
	a, prefix := New(), netip.MustParsePrefix("10.244.1.0/24")
	addr := netip.MustParseAddr("10.244.1.7")
	for range 2 {
		if !a.Hold("a", prefix, addr) {
			t.Error("the owner cannot hold its own address twice")
		}
	}
	if a.Hold("b", prefix, addr) {
		t.Error("two owners hold one address")
	}
	if a.Hold("c", prefix, netip.MustParseAddr("10.244.2.1")) {
		t.Error("an address outside of the prefix was accepted")
	}
	if got, _ := a.Allocate("a", prefix); got != addr {
		t.Errorf("Allocate gave %v to the owner of %v", got, addr)
	}
	if got, _ := a.Allocate("d", prefix); got != netip.MustParseAddr("10.244.1.8") {
		t.Errorf("after a rebuild the search began at %v", got)
	}
}

// TestRandomHistory: whatever happens, no address has two owners, none is lost, and a rebuild from what the owners know
// gives an equal allocator.
func TestRandomHistory(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		prefix := netip.MustParsePrefix("10.244.1.0/28")
		a, model := New(), map[string]netip.Addr{}
		for range 400 {
			owner := fmt.Sprint("pod-", random.IntN(24))
			switch random.IntN(5) {
			case 0, 1, 2:
				addr, err := a.Allocate(owner, prefix)
				checkAllocation(t, model, owner, addr, err)
			case 3:
				a.Release(owner)
				delete(model, owner)
			case 4:
				a = New()
				for owner, addr := range model {
					if !a.Hold(owner, prefix, addr) {
						t.Fatalf("seed %d: rebuild: %s cannot hold %v", seed, owner, addr)
					}
				}
			}
		}
	}
}

func checkAllocation(t *testing.T, model map[string]netip.Addr, owner string, addr netip.Addr, err error) {
	t.Helper()
	if err != nil {
		if len(model) != 14 || model[owner].IsValid() {
			t.Fatalf("%s: %v with %d of 14 addresses held", owner, err, len(model))
		}
		return
	}
	if had := model[owner]; had.IsValid() && had != addr {
		t.Fatalf("%s had %v and got %v", owner, had, addr)
	}
	for other, taken := range model {
		if other != owner && taken == addr {
			t.Fatalf("%v belongs to %s and was given to %s", addr, other, owner)
		}
	}
	model[owner] = addr
}
