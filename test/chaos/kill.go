package chaos

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/onemachine/layout"
	"pacific/internal/onemachine/process"
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
	hits      map[string]int // machine id -> kills
}

// strike kills one victim. Where there is none of its kind at the moment, nothing happens.
func (k *killer) strike(ctx context.Context) {
	victim := draw(k.random, victims)
	switch victim {
	case PodMachine, ImageMachine:
		k.strikeMachine(ctx, victim)
	case Supervisor, Registry:
		k.strikeDaemon(victim, string(victim))
	default:
		host, _ := oneOf(k.random, k.Hosts())
		k.strikeDaemon(victim, host+"-"+string(victim))
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

func (k *killer) strikeMachine(ctx context.Context, victim Victim) {
	candidates := k.candidates(ctx, victim)
	for end := time.Now().Add(imageWait); victim == ImageMachine && len(candidates) == 0 && time.Now().Before(end) && ctx.Err() == nil; {
		pause(ctx, 100*time.Millisecond)
		candidates = k.candidates(ctx, victim)
	}
	machine, ok := oneOf(k.random, candidates)
	if !ok {
		return
	}
	if killVMM(machine) {
		k.hits[machine.Id]++
		k.timeline.note("kill "+string(victim), "%s %s, process %d", cmp.Or(machine.Name, machine.Personality), machine.Id, machine.Pid)
	}
}

// candidates of a kind on all hosts, sorted by name.
func (k *killer) candidates(ctx context.Context, victim Victim) []*hostv1.InventoryMachine {
	mode := "managed"
	if victim == ImageMachine {
		mode = "unmanaged"
	}
	var found []*hostv1.InventoryMachine
	for _, host := range k.Hosts() {
		inventory, err := k.Inventory(ctx, host)
		if err != nil {
			continue // its hostd has been killed
		}
		for _, m := range inventory.Machines {
			foreign := victim == PodMachine && m.Labels["namespace"] != k.namespace
			if m.Mode == mode && !foreign && m.Pid > 0 && k.hits[m.Id] < maxHits {
				found = append(found, m)
			}
		}
	}
	slices.SortFunc(found, func(a, b *hostv1.InventoryMachine) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Id, b.Id))
	})
	return found
}

// killVMM kills the process of a machine unless the pid has come to mean another since the inventory was taken.
func killVMM(m *hostv1.InventoryMachine) bool {
	id, ok := process.Find(int(m.Pid))
	if !ok {
		return false
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id.PID))
	return err == nil && bytes.Contains(command, []byte(m.Id)) && id.Signal(unix.SIGKILL) == nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Hosts of the instance by name.
func (c *Cluster) Hosts() []string { return layout.HostNames(c.Instance.Hosts) }
