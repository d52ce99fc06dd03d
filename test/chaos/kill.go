package chaos

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/onemachine/layout"
	"pacific/internal/process"
)

// maxHits on one machine. The back-off of what dies again and again doubles, and waiting for it would prove nothing more.
const maxHits = 2

// killer kills processes of an instance, known by its records and inventories. Of the pods' machines it takes those of one
// namespace, since an instance that is not the test's own has others.
type killer struct {
	*Cluster
	namespace string
	random    *rand.Rand
	timeline  *Timeline
	hits      *tally
}

// tally counts the kills of each machine, by id.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func newTally() *tally { return &tally{counts: map[string]int{}} }

func (t *tally) add(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[id]++
}

func (t *tally) all() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// strike kills one victim. Where there is none of its kind at the moment, nothing happens.
func (k *killer) strike(ctx context.Context) {
	b := nextBlow(k.random)
	switch b.victim {
	case PodMachine, ImageMachine:
		k.strikeMachine(ctx, b)
	case Supervisor:
		k.strikeDaemon(b.victim, layout.FirstMember)
	case Registry:
		k.strikeDaemon(b.victim, string(b.victim))
	default:
		host, _ := pick(k.Hosts(), b.which)
		k.strikeDaemon(b.victim, host+"-"+string(b.victim))
	}
}

func (k *killer) strikeDaemon(victim Victim, name string) {
	record, running := process.Records{Dir: k.RecordDir()}.Running(name)
	if !running {
		return // it has not come back yet
	}
	if err := record.Signal(unix.SIGKILL); err != nil {
		k.timeline.note("trouble", "%v", err)
		return
	}
	k.timeline.note("kill "+string(victim), "%s, process %d", name, record.PID)
}

// imageWait is how long a machine of the image service is waited for: it lives for seconds only.
const imageWait = 3 * time.Second

func (k *killer) strikeMachine(ctx context.Context, b blow) {
	candidates := k.candidates(ctx, b.victim)
	for end := time.Now().Add(imageWait); b.victim == ImageMachine && len(candidates) == 0 && time.Now().Before(end) && ctx.Err() == nil; {
		pause(ctx, 100*time.Millisecond)
		candidates = k.candidates(ctx, b.victim)
	}
	machine, ok := pick(candidates, b.which)
	if !ok {
		return
	}
	if k.killVMM(machine) {
		k.hits.add(machine.Id)
		k.timeline.note("kill "+string(b.victim), "%s %s, process %d", cmp.Or(machine.Name, machine.Personality), machine.Id, machine.Pid)
	}
}

// candidates of a kind on all hosts, sorted by name.
func (k *killer) candidates(ctx context.Context, victim Victim) []*hostv1.InventoryMachine {
	mode := "managed"
	if victim == ImageMachine {
		mode = "unmanaged"
	}
	var found []*hostv1.InventoryMachine
	hits := k.hits.all()
	for _, host := range k.Hosts() {
		inventory, err := k.Inventory(ctx, host)
		if err != nil {
			continue // its hostd has been killed
		}
		for _, m := range inventory.Machines {
			foreign := victim == PodMachine && m.Labels["namespace"] != k.namespace
			if m.Mode == mode && !foreign && m.Pid > 0 && hits[m.Id] < maxHits {
				found = append(found, m)
			}
		}
	}
	slices.SortFunc(found, func(a, b *hostv1.InventoryMachine) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Id, b.Id))
	})
	return found
}

// killVMM kills the process of a machine unless the pid has come to mean one of others since the inventory was taken.
func (c *Cluster) killVMM(m *hostv1.InventoryMachine) bool {
	id, ok := process.Find(int(m.Pid))
	if !ok {
		return false
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id.PID))
	return err == nil && bytes.Contains(command, []byte(c.RunDir()+"/")) && id.Signal(unix.SIGKILL) == nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Hosts of the instance by name.
func (c *Cluster) Hosts() []string { return layout.HostNames(c.Instance.Hosts) }
