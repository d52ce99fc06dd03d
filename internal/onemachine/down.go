package onemachine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/durationpb"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/internal/onemachine/leftover"
	"pacific/internal/onemachine/network"
	"pacific/internal/process"
)

const (
	// machineGrace is for a guest to power off; its containers get SIGTERM first.
	machineGrace = 5 * time.Second
	// parallelStops bounds how many guests power off at once, since each needs the processor for it.
	parallelStops = 8
)

// Down takes an instance off the machine; with Purge also its data. It works on whatever is there, however broken, and
// goes on where something fails: what remains is in the errors of the stages.
type Down struct {
	Home   string
	Claims instance.Claims
	Purge  bool
	// Warn gets what did not go as it should but was made good.
	Warn func(string)

	layout layout.Layout
}

// Find tells whether there is anything to take down.
func (d *Down) Find() (bool, error) {
	in, err := instance.Load(d.Home)
	if err == nil {
		d.layout = layout.Layout{ID: in.ID, Home: d.Home}
		return true, nil
	}
	// A damaged instance.json must not keep its processes alive; the machine's record knows the id too.
	if id, ok := d.Claims.ID(d.Home); ok {
		d.layout = layout.Layout{ID: id, Home: d.Home}
		return true, nil
	}
	if errors.Is(err, instance.ErrNone) {
		return false, nil
	}
	return false, err
}

// Stages of the way down, in order.
func (d *Down) Stages() []Stage {
	stages := []Stage{
		{"Stop spherelets and dataplanes", time.Minute, d.stopNodes},
		{"Stop machines", 2 * time.Minute, d.stopMachines},
		{"Stop hosts, Supervisor and center", 2 * time.Minute, d.stopDaemons},
		{"Remove network and cgroups", time.Minute, d.removeKernelObjects},
	}
	if d.Purge {
		stages = append(stages, Stage{"Delete data", 5 * time.Minute, d.purge})
	}
	return stages
}

func isKeeper(name string) bool { return name == keeperName }

func isAgent(name string) bool { return strings.HasSuffix(name, "-agent") }

// stopNodes ends the keeper and then the hosts' agents first, which would start everything again.
func (d *Down) stopNodes(context.Context, func(string)) error {
	for _, starter := range []func(string) bool{isKeeper, isAgent} {
		if err := d.stop(starter, 10*time.Second); err != nil {
			return err
		}
	}
	return d.stop(func(name string) bool {
		return strings.HasSuffix(name, "-spherelet") || strings.HasSuffix(name, "-dataplane")
	}, 15*time.Second)
}

func (d *Down) stopDaemons(context.Context, func(string)) error {
	err := d.stop(func(string) bool { return true }, stopGraceDown)
	return errors.Join(err, leftover.Kill(d.layout))
}

// stopGraceDown is for etcd to close its files.
const stopGraceDown = 30 * time.Second

// stop ends, at once, the recorded processes that are chosen.
func (d *Down) stop(chosen func(name string) bool, grace time.Duration) error {
	recs := records(d.layout)
	names, err := recs.Names()
	if err != nil {
		return err
	}
	var group errgroup.Group
	for _, name := range names {
		if rec, ok := recs.Running(name); ok && chosen(name) {
			group.Go(func() error { return end(name, rec, grace) })
		}
	}
	return group.Wait()
}

func end(name string, rec process.Record, grace time.Duration) error {
	if err := rec.Terminate(grace); err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	rec.AwaitReaped()
	return nil
}

// stopMachines lets every host power its machines off. A host that cannot is no failure: its machines are killed later.
func (d *Down) stopMachines(ctx context.Context, note func(string)) error {
	hosts := d.runningHosts()
	note(fmt.Sprintf("machines of %d hosts to power off", len(hosts)))
	var all sync.WaitGroup
	for _, n := range hosts {
		all.Go(func() {
			if err := d.stopHost(ctx, n); err != nil {
				d.Warn(fmt.Sprintf("%s could not stop its machines, they are killed: %v", layout.HostName(n), err))
			}
		})
	}
	all.Wait()
	return nil
}

// runningHosts are the numbers of hosts whose hostd runs, planned or not.
func (d *Down) runningHosts() []int {
	var hosts []int
	for n := 1; n <= instance.MaxHosts; n++ {
		if _, running := records(d.layout).Running(hostdName(layout.HostName(n))); running {
			hosts = append(hosts, n)
		}
	}
	return hosts
}

func (d *Down) stopHost(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := DialHost(d.layout, n)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := hostv1.NewVirtualMachinesClient(conn)
	machines, err := allMachines(ctx, client)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelStops)
	for _, m := range machines {
		group.Go(func() error { return stopMachine(ctx, client, m) })
	}
	return group.Wait()
}

// allMachines lists the unmanaged ones too, as only a watch does.
func allMachines(ctx context.Context, client hostv1.VirtualMachinesClient) ([]*hostv1.VirtualMachine, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := client.Watch(ctx, &hostv1.WatchRequest{IncludeUnmanaged: true})
	if err != nil {
		return nil, err
	}
	var machines []*hostv1.VirtualMachine
	for {
		event, err := watch.Recv()
		if errors.Is(err, io.EOF) || err == nil && event.GetType() == hostv1.WatchEvent_SYNCED {
			return machines, nil
		}
		if err != nil {
			return nil, err
		}
		machines = append(machines, event.GetMachine())
	}
}

func stopMachine(ctx context.Context, client hostv1.VirtualMachinesClient, m *hostv1.VirtualMachine) error {
	id := m.GetSpec().GetId()
	if m.GetSpec().GetCrx().GetMode() == hostv1.Crx_UNMANAGED {
		_, err := client.Destroy(ctx, &hostv1.DestroyRequest{Id: id})
		return err
	}
	if m.GetPhase() != hostv1.VirtualMachine_RUNNING {
		return nil
	}
	_, err := client.Stop(ctx, &hostv1.StopRequest{Id: id, Grace: durationpb.New(machineGrace)})
	return err
}

func (d *Down) removeKernelObjects(ctx context.Context, _ func(string)) error {
	return errors.Join(
		network.Delete(ctx, d.layout),
		leftover.Unmount(d.layout.RunDir(), d.layout.Home),
		leftover.RemoveCgroup(d.layout.Cgroup()),
		os.RemoveAll(d.layout.RunDir()),
		leaveMachine(),
	)
}

// leaveMachine undoes what instances share, when no other is up.
func leaveMachine() error {
	entries, err := os.ReadDir(layout.RunRoot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			return nil
		}
	}
	if err := network.RestoreForwarding(); err != nil {
		return err
	}
	// Fails if another instance is just coming up, as it should.
	_ = os.Remove(layout.RunRoot)
	return nil
}

// purge deletes what Pacific wrote, and the home itself only if nothing else is in it.
func (d *Down) purge(context.Context, func(string)) error {
	l := d.layout
	var errs []error
	for _, path := range []string{
		l.CenterDir(), l.RegistryDir(), l.RegistryConfig(), filepath.Join(l.Home, "hosts"), filepath.Join(l.Home, "pki"),
		l.LogDir(), l.Kubeconfig(), instance.File(l.Home),
	} {
		errs = append(errs, os.RemoveAll(path))
	}
	errs = append(errs, d.Claims.Release(l.Home))
	if err := os.Remove(l.Home); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.Warn(fmt.Sprintf("%s is kept, since it holds files that are not Pacific's", l.Home))
	}
	return errors.Join(errs...)
}
