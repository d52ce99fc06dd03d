package onemachine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/onemachine/layout"
)

// maxEnds is how often a daemon may end during a stage before the stage has failed: one bad start is made good by the
// keeper, a third is no accident.
const maxEnds = 3

// watchdog fails a wait early when the daemons that it is for end again and again.
type watchdog struct {
	layout layout.Layout
	before map[string]int
}

func (u *Up) watchdog(daemons ...string) watchdog {
	w := watchdog{layout: u.layout, before: map[string]int{}}
	for _, name := range daemons {
		w.before[name] = ends(u.layout).Of(name).Count
	}
	return w
}

func (w watchdog) check() error {
	if _, ok := records(w.layout).Running(keeperName); !ok {
		return &Failure{Cause: fmt.Errorf("the keeper, which starts the daemons, does not run; start it with: pacific up --home %s", w.layout.Home), Logs: []string{w.layout.Log(keeperName)}}
	}
	for name, before := range w.before {
		if end := ends(w.layout).Of(name); end.Count-before >= maxEnds {
			return &Failure{Cause: fmt.Errorf("%s ends again and again, last: %s", name, end.Last), Logs: []string{w.layout.Log(name)}}
		}
	}
	return nil
}

// awaitDaemons waits for check, with the logs of the daemons in question at hand.
func (u *Up) awaitDaemons(ctx context.Context, note func(string), daemons []string, check func(context.Context) error) error {
	dog := u.watchdog(daemons...)
	err := Await(ctx, note, func(ctx context.Context) error {
		if err := dog.check(); err != nil {
			return err
		}
		return check(ctx)
	})
	if err == nil {
		return nil
	}
	failure, ok := errors.AsType[*Failure](err)
	if !ok {
		failure = &Failure{Cause: err}
		for _, name := range daemons {
			failure.Logs = append(failure.Logs, u.layout.Log(name))
		}
	}
	return failure
}

func (u *Up) awaitRegistry(ctx context.Context, note func(string)) error {
	return u.awaitDaemons(ctx, note, []string{"registry"}, func(ctx context.Context) error {
		if err := registryReady(ctx, u.layout); err != nil {
			return Pending(fmt.Sprintf("the registry on %s: %v", u.layout.Registry(), err))
		}
		return nil
	})
}

func (u *Up) awaitHosts(ctx context.Context, note func(string)) error {
	waiting := map[int]string{}
	for n := 1; n <= u.in.Hosts; n++ {
		waiting[n] = ""
	}
	accelerators := map[string]bool{}
	err := u.awaitDaemons(ctx, note, append(hostdNames(layout.HostNames(u.in.Hosts)), layout.Center), func(ctx context.Context) error {
		for n, answer := range askHosts(ctx, u.layout, keys(waiting)) {
			if answer.err != nil {
				waiting[n] = fmt.Sprintf("hostd of %s on %s: %v", layout.HostName(n), u.layout.Hostd(n), answer.err)
				continue
			}
			accelerators[answer.host.GetAccelerator()] = true
			delete(waiting, n)
		}
		if len(waiting) > 0 {
			return pendingOf(waiting)
		}
		return hostsConnected(ctx, u.layout, layout.HostNames(u.in.Hosts))
	})
	if failure, ok := errors.AsType[*Failure](err); ok && len(waiting) > 0 && len(failure.Logs) > 1 {
		failure.Logs = failure.Logs[:0]
		for _, n := range keys(waiting) {
			failure.Logs = append(failure.Logs, u.layout.Log(hostdName(layout.HostName(n))))
		}
	}
	if err == nil && accelerators["tcg"] && u.in.Options.Accelerator == "auto" {
		u.Warn("KVM does not work on this machine: machines run under QEMU's software emulation (tcg), and unless --control-plane vm was given, the control plane runs as processes of the hosts")
	}
	return err
}

func keys(m map[int]string) []int {
	var list []int
	for n := range m {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

func pendingOf(waiting map[int]string) error {
	if len(waiting) == 0 {
		return nil
	}
	var parts []string
	for _, n := range keys(waiting) {
		parts = append(parts, waiting[n])
	}
	return Pending(strings.Join(parts, "; "))
}

type hostAnswer struct {
	host *hostv1.GetHostResponse
	err  error
}

// askHosts asks hostds at once.
func askHosts(ctx context.Context, l layout.Layout, hosts []int) map[int]hostAnswer {
	var mu sync.Mutex
	answers := map[int]hostAnswer{}
	var all sync.WaitGroup
	for _, n := range hosts {
		all.Go(func() {
			host, err := askHost(ctx, l, n)
			mu.Lock()
			defer mu.Unlock()
			answers[n] = hostAnswer{host, err}
		})
	}
	all.Wait()
	return answers
}

func askHost(ctx context.Context, l layout.Layout, n int) (*hostv1.GetHostResponse, error) {
	conn, err := DialHost(l, n)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return hostv1.NewHostClient(conn).GetHost(ctx, &hostv1.GetHostRequest{})
}

func hostdName(host string) string { return host + "-hostd" }

func hostdNames(hosts []string) []string {
	names := make([]string, len(hosts))
	for i, host := range hosts {
		names[i] = hostdName(host)
	}
	return names
}
