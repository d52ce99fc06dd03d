package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/onemachine"
	"pacific/internal/onemachine/instance"
	"pacific/test/bench/boot"
)

// measure does all on the same machine in the same state: the instance is up and otherwise idle.
func (o options) measure(ctx context.Context, in instance.Instance) (*Results, error) {
	results := &Results{}
	if !onemachine.GetStatus(ctx, in).Ready {
		return results, fmt.Errorf("instance %s is not ready; see pacific status", o.home)
	}
	c, err := openCluster(ctx, in, o.bin, workloads[o.workload])
	if err != nil {
		return results, err
	}
	defer c.close()
	defer results.compare()
	if results.Machine, err = c.describe(ctx); err != nil {
		return results, err
	}
	results.Workload = o.workload
	for _, part := range []func(context.Context, *cluster, *Results) error{o.one, o.crowds} {
		if err := part(ctx, c, results); err != nil {
			return results, err
		}
	}
	return results, nil
}

func (o options) wants(section ...string) bool {
	return slices.ContainsFunc(section, func(s string) bool { return slices.Contains(o.only, s) })
}

// one machine or pod at a time: F, side by side with the starts that are compared with it.
func (o options) one(ctx context.Context, c *cluster, results *Results) (err error) {
	if err := c.warm(ctx); err != nil {
		return err
	}
	if o.wants("start") {
		if err := rest(ctx); err != nil {
			return err
		}
		if results.Start, err = c.measureStart(ctx, o.pods); err != nil {
			return err
		}
	}
	if !o.wants("start", "burst", "scale") {
		return nil
	}
	boots, err := boot.MeasureWith(ctx, filepath.Join(o.bin, "guest"), results.Machine.Accelerator, o.boots)
	if err != nil {
		return fmt.Errorf("bare machine: %w", err)
	}
	results.F = bareOf(boots)
	progress("F: %s", seconds(results.F.P50))
	return nil
}

// crowds of pods: a small one, whose memory is looked at, then a large one, which is watched.
func (o options) crowds(ctx context.Context, c *cluster, results *Results) (err error) {
	if o.wants("burst", "memory") {
		results.Burst, err = c.gather(ctx, "burst", o.burstPods, 0, func() (err error) {
			if o.wants("memory") {
				results.Memory, err = c.measureMemory(ctx)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if o.wants("scale", "idle") {
		results.Scale, err = c.gather(ctx, "scale", o.scalePods, o.holdFor, func() (err error) {
			if o.wants("idle") {
				results.Idle, err = c.measureIdle(ctx, o.window)
			}
			return err
		})
	}
	return err
}

// gather starts a crowd, lets it rest, looks at it, holds it and deletes it.
func (c *cluster) gather(ctx context.Context, name string, count int, hold time.Duration, look func() error) (*Crowd, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := rest(ctx); err != nil {
		return nil, err
	}
	crowd := c.newCrowd(name, count)
	result, err := crowd.start(ctx)
	if err != nil {
		return nil, err
	}
	progress("%s: %d Ready in %s", name, count, seconds(result.AllReady))
	began := time.Now()
	if err := rest(ctx); err != nil {
		return result, err
	}
	if err := look(); err != nil {
		return result, err
	}
	if err := crowd.hold(ctx, began, hold, result); err != nil {
		return result, err
	}
	return result, crowd.end(ctx, result)
}

// describe the machine, as the figures mean nothing without it.
func (c *cluster) describe(ctx context.Context) (Machine, error) {
	m := Machine{CPUs: runtime.NumCPU(), Hosts: c.instance.Hosts}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return m, err
	}
	m.MemoryBytes = info.Totalram * uint64(info.Unit)
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return m, err
	}
	m.Kernel = unix.ByteSliceToString(name.Release[:])
	return m, c.onHost(ctx, c.hosts()[0], func(client hostv1.HostClient) error {
		host, err := client.GetHost(ctx, &hostv1.GetHostRequest{})
		m.Accelerator, m.VMM, m.GuestKernel = host.GetAccelerator(), host.GetVmmVersion(), host.GetCrxKernelVersion()
		return err
	})
}
