package cgroup

import "math"

// node is a group as it is found: a machine's or a standby's, whose weight is its own, or a pool's.
type node struct {
	path     string // below the parent of the tree, "" for that
	leaf     bool
	weight   uint64 // of a leaf: cpu.shares of version 1, cpu.weight of version 2
	low      uint64 // of a leaf: memory.low of version 2
	children []*node
}

// natural is the weight that a group has by what is in it: without that a machine in a pool of a hundred would get a hundredth of what
// one alone in its pool gets. 0 for a pool with nothing in it.
func (n *node) natural(pools map[string]PoolLimits) float64 {
	if n.leaf {
		return float64(n.weight)
	}
	var sum float64
	for _, child := range n.children {
		sum += child.natural(pools)
	}
	if shares := pools[n.path].Shares; shares > 0 && sum > 0 {
		return float64(shares)
	}
	return sum
}

// reserved is the processors that a group must get, its own or those of what is in it.
func (n *node) reserved(pools map[string]PoolLimits) float64 {
	var sum float64
	for _, child := range n.children {
		sum += child.reserved(pools)
	}
	return max(sum, pools[n.path].ReservedProcessors)
}

// protected is the memory that is taken back last. In version 2 a group is protected only as far as the groups above it are.
func (n *node) protected(pools map[string]PoolLimits) uint64 {
	sum := n.low
	for _, child := range n.children {
		sum += child.protected(pools)
	}
	return max(sum, pools[n.path].ReservationBytes)
}

// weights of the pools below n, which has so many processors at least. Those without anything in them are left out: theirs do not matter.
func (n *node) weights(processors float64, pools map[string]PoolLimits, least, most uint64) map[string]uint64 {
	all := map[string]uint64{}
	var natural, reserved []float64
	for _, child := range n.children {
		weight := child.natural(pools)
		natural = append(natural, weight)
		if weight == 0 {
			reserved = append(reserved, 0)
		} else {
			reserved = append(reserved, child.reserved(pools))
		}
	}
	weights := lift(natural, generous(reserved, processors), processors)
	for i, child := range n.children {
		if reserved[i] > 0 {
			weights[i] *= max(pools[child.path].Boost, 1)
		}
	}
	scale := 1.0
	for _, w := range weights {
		scale = min(scale, float64(most)/w)
	}
	for i, child := range n.children {
		if child.leaf || weights[i] == 0 {
			continue
		}
		all[child.path] = min(max(uint64(math.Round(weights[i]*scale)), least), most)
		for path, weight := range child.weights(reserved[i], pools, least, most) {
			all[path] = weight
		}
	}
	return all
}

// margin is for what the kernel does not get right: it balances processors by weights only roughly, and a machine of one thread that has
// one processor of two to itself has no more of it than others with the same weight there.
const margin = 1.25

// mostReserved is the part of the processors that margins may use.
const mostReserved = 0.95

// generous adds the margin to reservations, as far as there is room.
func generous(reserved []float64, processors float64) []float64 {
	var sum float64
	for _, r := range reserved {
		sum += r
	}
	factor := max(1, min(margin, mostReserved*processors/max(sum, 1e-9)))
	all := make([]float64, len(reserved))
	for i, r := range reserved {
		all[i] = r * factor
	}
	return all
}

// leastRest is the part of the processors that is left for those without a reservation when all is reserved.
const leastRest = 0.01

// lift raises weights so that each group gets what is reserved for it of so many processors while all want more than there is. A group
// that gets it by its own weight keeps that.
func lift(weights, reserved []float64, processors float64) []float64 {
	lifted := make([]bool, len(weights))
	for {
		rest, others := processors, 0.0
		for i, w := range weights {
			if lifted[i] {
				rest -= reserved[i]
			} else {
				others += w
			}
		}
		rest = max(rest, leastRest*processors)
		more := false
		for i, w := range weights {
			if !lifted[i] && reserved[i] > 0 && w*rest < reserved[i]*others {
				lifted[i], more = true, true
			}
		}
		if more {
			continue
		}
		return raise(weights, reserved, lifted, rest, others)
	}
}

// raise gives those lifted a weight in the same proportion to their reservation as the others together have to the rest.
func raise(weights, reserved []float64, lifted []bool, rest, others float64) []float64 {
	perProcessor := 1024.0
	if others > 0 && rest > 0 {
		perProcessor = others / rest
	}
	raised := make([]float64, len(weights))
	for i, w := range weights {
		if raised[i] = w; lifted[i] {
			raised[i] = reserved[i] * perProcessor
		}
	}
	return raised
}
