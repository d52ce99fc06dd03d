package pools

import (
	"cmp"
	"slices"
)

// Space that a pool's machines take on one host, in bytes.
type Space struct {
	Reserved, Used uint64
	// Wanted by starts that were refused.
	Wanted   uint64
	Previous uint64
	Fixed    bool
}

// needed is what cannot be taken away.
func (s Space) needed() uint64 { return max(s.Reserved, s.Used) }

// megabyte is what parts are rounded down to, so that they are the same as long as nearly nothing changes.
const megabyte = 1 << 20

// DivideMemory divides a limit of memory among hosts, in bytes: each has what its machines reserve or use, then those starts that were
// refused and fit have what they want, those that want least first; the rest is spread evenly. The parts are never more than the limit
// together, but for those of hosts that do not answer.
func DivideMemory(limit uint64, hosts []Space) []uint64 {
	parts := make([]uint64, len(hosts))
	left := limit
	var needed uint64
	var open []int
	for i, h := range hosts {
		if h.Fixed {
			parts[i] = h.Previous
			left -= min(left, h.Previous)
			continue
		}
		open = append(open, i)
		needed += h.needed()
	}
	if len(open) == 0 {
		return parts
	}
	if needed >= left {
		for _, i := range open {
			parts[i] = scaled(hosts[i].needed(), left, needed)
		}
		return parts
	}
	left -= needed
	wants := grants(hosts, open, left)
	for i, want := range wants {
		left -= want
		parts[i] = hosts[i].needed() + want
	}
	if enough(limit, hosts, parts, left) {
		for i, h := range hosts {
			parts[i] = h.Previous
		}
		return parts
	}
	for _, i := range open {
		parts[i] = (parts[i] + left/uint64(len(open))) / megabyte * megabyte
	}
	return parts
}

// scaled is part·total/of without overflow.
func scaled(part, total, of uint64) uint64 {
	if of == 0 {
		return 0
	}
	return uint64(float64(part) / float64(of) * float64(total))
}

// grants what is wanted and fits, by host.
func grants(hosts []Space, open []int, left uint64) map[int]uint64 {
	granted := map[int]uint64{}
	byWant := slices.SortedStableFunc(slices.Values(open), func(a, b int) int { return cmp.Compare(hosts[a].Wanted, hosts[b].Wanted) })
	for _, i := range byWant {
		granted[i] = 0
		if want := hosts[i].Wanted; want <= left {
			granted[i] = want
			left -= want
		}
	}
	// Of what is wanted together on one host a part may do too.
	for _, i := range slices.Backward(byWant) {
		if hosts[i].Wanted > granted[i] {
			granted[i] = left
			break
		}
	}
	return granted
}

// enough tells whether the division that there is will do: it leaves each host half of what it would have to spare.
func enough(limit uint64, hosts []Space, parts []uint64, left uint64) bool {
	var before uint64
	for i, h := range hosts {
		spare := left / uint64(len(hosts)) / 2
		if !h.Fixed && h.Previous < parts[i]+spare {
			return false
		}
		before += h.Previous
	}
	return before <= limit && before+uint64(len(hosts))*megabyte >= limit
}
