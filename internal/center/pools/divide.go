package pools

import "math"

// Demand of a pool's machines on one host for processor time, in MHz.
type Demand struct {
	// Used lately.
	Used float64
	// Throttled machines would have used more than their part.
	Throttled bool
	// Potential is what the machines can use at most by their virtual processors; 0 where there are none.
	Potential float64
	// Previous is the host's part now.
	Previous uint64
	// Fixed is the part of a host that does not answer: it goes on with what it has.
	Fixed bool
}

const (
	// leastPart of the limit is spread over all hosts, however idle, so that a machine can begin anywhere; it is lost where one host could
	// use all.
	leastPart = 0.02
	// room is what a host gets beyond what its machines use, that it may become more until the next division, and roomPart, of the limit,
	// what it gets beside.
	room     = 1.1
	roomPart = 0.01
	// growth is what throttled machines get at most from one division to the next, and growthPart, of the limit, what they get beside: a
	// moment of work shall not take from those that work all the time.
	growth     = 2
	growthPart = 0.1
	// steadyPart of the limit is a difference that is not worth a new division: each write grants the host's machines a new quota.
	steadyPart = 0.02
)

// Divide a limit of processor time among hosts, all in MHz. Hosts whose machines are throttled share what the others leave, by what their
// machines can use. The parts are never more than the limit together, but for those of hosts that do not answer.
func Divide(limit uint64, hosts []Demand) []uint64 {
	parts := make([]uint64, len(hosts))
	var open []int
	left := float64(limit)
	for i, h := range hosts {
		if h.Fixed {
			parts[i] = h.Previous
			left -= float64(h.Previous)
		} else {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return parts
	}
	left = max(left, float64(len(open))) // a limit of 0 would be none
	least := max(1, left*leastPart/float64(len(open)))
	wants, weights := make([]float64, len(open)), make([]float64, len(open))
	for n, i := range open {
		wants[n], weights[n] = max(hosts[i].want(limit)-least, 0), hosts[i].Potential
	}
	given, rest := fill(left-least*float64(len(open)), wants, weights)
	spare := spread(rest, weights, float64(limit))
	for n, i := range open {
		parts[i] = uint64(math.Floor(least + given[n] + spare[n] + epsilon))
	}
	if steady(limit, hosts, parts) {
		for i, h := range hosts {
			parts[i] = h.Previous
		}
	}
	return parts
}

// epsilon undoes what sums of fractions lose.
const epsilon = 1e-6

// want is what a host should have at least.
func (d Demand) want(limit uint64) float64 {
	most := d.Potential * 1.25 // a machine is more than its virtual processors: its VMM works too
	if d.Throttled {
		return min(most, float64(d.Previous)*growth+float64(limit)*growthPart)
	}
	return min(most, d.Used*room+float64(limit)*roomPart)
}

// fill gives each its want, or of too little each as much by its weight as it wants. It returns what is left.
func fill(amount float64, wants, weights []float64) (given []float64, rest float64) {
	given = make([]float64, len(wants))
	for amount > epsilon {
		var open float64
		for i := range wants {
			if given[i] < wants[i]-epsilon {
				open += weights[i]
			}
		}
		if open <= 0 {
			break
		}
		share := amount / open
		for i := range wants {
			if given[i] < wants[i]-epsilon {
				more := min(share*weights[i], wants[i]-given[i])
				given[i] += more
				amount -= more
			}
		}
	}
	return given, max(amount, 0)
}

// spread what nobody wants now: more where machines are, something everywhere.
func spread(amount float64, weights []float64, limit float64) []float64 {
	parts, sum := make([]float64, len(weights)), 0.0
	for _, w := range weights {
		sum += w + limit
	}
	for i, w := range weights {
		if sum > 0 {
			parts[i] = amount * (w + limit) / sum
		}
	}
	return parts
}

// steady tells whether the division that there is will do: near enough to the new one, and not beyond the limit.
func steady(limit uint64, hosts []Demand, parts []uint64) bool {
	var before, after uint64
	for i, h := range hosts {
		if h.Previous == 0 || math.Abs(float64(h.Previous)-float64(parts[i])) > steadyPart*float64(limit) {
			return false
		}
		before += h.Previous
		after += parts[i]
	}
	return before <= limit && float64(before) >= float64(after)*(1-steadyPart/2)
}
