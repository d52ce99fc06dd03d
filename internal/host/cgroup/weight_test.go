package cgroup

import (
	"maps"
	"math/rand/v2"
	"testing"
)

func machine(path string, weight uint64) *node { return &node{path: path, leaf: true, weight: weight} }

func TestWeights(t *testing.T) {
	tree := func() *node {
		return &node{children: []*node{
			{path: "a", children: []*node{machine("a/1.vm", 1024), machine("a/2.vm", 1024), {path: "a/sub", children: []*node{machine("a/sub/3.vm", 512)}}}},
			{path: "b", children: []*node{machine("b/4.vm", 1024)}},
			{path: "empty"},
			machine("5.standby", 2),
		}}
	}
	for name, c := range map[string]struct {
		pools       map[string]PoolLimits
		least, most uint64
		want        map[string]uint64
	}{
		"a pool weighs what is in it": {nil, 2, 1 << 18, map[string]uint64{"a": 2560, "a/sub": 512, "b": 1024}},
		"shares come first": {map[string]PoolLimits{"b": {Shares: 8192}, "empty": {Shares: 4}}, 2, 1 << 18,
			map[string]uint64{"a": 2560, "a/sub": 512, "b": 8192}},
		// 1.2 of 2 processors and a margin: thrice the weight of all others.
		"a reservation lifts": {map[string]PoolLimits{"b": {ReservedProcessors: 1.2}}, 2, 1 << 18,
			map[string]uint64{"a": 2560, "a/sub": 512, "b": 3 * 2562}},
		"without room for a margin": {map[string]PoolLimits{"b": {ReservedProcessors: 1.9}}, 2, 1 << 18,
			map[string]uint64{"a": 2560, "a/sub": 512, "b": 19 * 2562}},
		"a reservation that the weight gives anyway": {map[string]PoolLimits{"a": {ReservedProcessors: 0.5}}, 2, 1 << 18,
			map[string]uint64{"a": 2560, "a/sub": 512, "b": 1024}},
		"a reservation below lifts all above, and within": {map[string]PoolLimits{"a/sub": {ReservedProcessors: 1.2}}, 2, 1 << 18,
			map[string]uint64{"a": 3 * 1026, "a/sub": 2048 * 100, "b": 1024}},
		"one of an empty pool does nothing": {map[string]PoolLimits{"empty": {ReservedProcessors: 1}}, 2, 1 << 18,
			map[string]uint64{"a": 2560, "a/sub": 512, "b": 1024}},
		"all in proportion below the most": {map[string]PoolLimits{"b": {ReservedProcessors: 1.2}}, 1, 3843,
			map[string]uint64{"a": 1280, "a/sub": 512, "b": 3843}},
	} {
		if have := tree().weights(2, c.pools, c.least, c.most); !maps.Equal(have, c.want) {
			t.Errorf("%s: %v, want %v", name, have, c.want)
		}
	}
}

// Whatever the weights are, each gets what is reserved for it when all want more than there is.
func TestLiftKeepsReservations(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		const processors = 8
		n := 1 + random.IntN(6)
		weights, reserved := make([]float64, n), make([]float64, n)
		left := 0.98 * processors
		for i := range n {
			weights[i] = float64(1 + random.IntN(5000))
			if random.IntN(2) == 0 {
				reserved[i] = random.Float64() * left
				left -= reserved[i]
			}
		}
		lifted, sum := lift(weights, reserved, processors), 0.0
		for _, w := range lifted {
			sum += w
		}
		for i, w := range lifted {
			if w < weights[i]*0.999 || w/sum*processors < reserved[i]*0.999 {
				t.Fatalf("weights %v, reserved %v: %v give %v of %v to the %dth", weights, reserved, lifted, w/sum*processors, processors, i)
			}
		}
	}
}

func TestProtected(t *testing.T) {
	root := &node{children: []*node{
		{path: "a", children: []*node{{path: "a/1.vm", leaf: true, low: 5}, {path: "a/2.vm", leaf: true, low: 6}}},
		{path: "b", children: []*node{{path: "b/1.vm", leaf: true, low: 7}}},
	}}
	if have := root.protected(map[string]PoolLimits{"b": {ReservationBytes: 20}}); have != 31 {
		t.Errorf("%d bytes are protected, want 31", have)
	}
}
