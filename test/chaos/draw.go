package chaos

import "math/rand/v2"

// Victim is a kind of process that is killed.
type Victim string

// Victims. A pod's machine and a machine of the image service are VMMs.
const (
	Spherelet    Victim = "spherelet"
	Hostd        Victim = "hostd"
	Dataplane    Victim = "dataplane"
	Supervisor   Victim = "supervisor"
	Registry     Victim = "registry"
	PodMachine   Victim = "pod machine"
	ImageMachine Victim = "image machine"
)

// Change is a kind of change to the workloads.
type Change string

// Changes.
const (
	Scale     Change = "scale"
	Roll      Change = "roll"
	RollImage Change = "roll to a new image"
	RunJob    Change = "run job"
	DeleteJob Change = "delete job"
	DeletePod Change = "delete pod"
)

// weighted is something that is drawn as often as its weight says.
type weighted[T any] struct {
	what   T
	weight int
}

// The Supervisor takes seconds to come back, and meanwhile nothing changes: it is killed seldom, what is cheap often.
var victims = []weighted[Victim]{
	{Spherelet, 4}, {Hostd, 4}, {PodMachine, 4}, {ImageMachine, 3}, {Dataplane, 2}, {Supervisor, 1}, {Registry, 1},
}

var changes = []weighted[Change]{{Scale, 3}, {Roll, 2}, {RollImage, 3}, {RunJob, 3}, {DeleteJob, 1}, {DeletePod, 2}}

// draw takes one by weight.
func draw[T any](random *rand.Rand, from []weighted[T]) T {
	total := 0
	for _, w := range from {
		total += w.weight
	}
	n := random.IntN(total)
	for _, w := range from {
		if n -= w.weight; n < 0 {
			return w.what
		}
	}
	panic("weights do not add up")
}

// blow is a kind of thing that is killed, and which of those that there are.
type blow struct {
	victim Victim
	which  uint64
}

func nextBlow(random *rand.Rand) blow { return blow{draw(random, victims), random.Uint64()} }

// oneOf takes one of a list; false where it is empty. It always draws, so that what comes after does not depend on it.
func oneOf[T any](random *rand.Rand, from []T) (T, bool) { return pick(from, random.Uint64()) }

func pick[T any](from []T, n uint64) (T, bool) {
	if len(from) == 0 {
		var none T
		return none, false
	}
	return from[n%uint64(len(from))], true
}

// streams of random numbers: what the load draws does not depend on how often the killer drew.
func streams(seed uint64) (kills, load *rand.Rand) {
	return rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
}
