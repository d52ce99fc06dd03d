package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	podapi "pacific/api/pod"
	"pacific/internal/onemachine"
	"pacific/internal/smaps"
)

// measureMemory looks at the machines that are there now.
func (c *cluster) measureMemory(ctx context.Context) (*Memory, error) {
	machines, err := c.machines(ctx)
	if err != nil {
		return nil, err
	}
	var all []Parts
	for _, m := range machines {
		parts, err := memoryOf(int(m.Pid))
		if err != nil {
			return nil, fmt.Errorf("memory of machine %s: %w", m.Name, err)
		}
		all = append(all, parts)
	}
	result := &Memory{Pods: len(all), Mean: meanOf(all), Max: maxOf(all), Daemons: map[string]int64{}}
	if result.Over.Counted, err = c.countedOverhead(ctx); err != nil {
		return nil, err
	}
	if total := result.Mean.Total(); total > 0 {
		result.Over.ByMean = float64(result.Over.Counted) / float64(total)
	}
	for kind, pids := range c.daemons(ctx) {
		for _, pid := range pids {
			sum, err := smaps.Sum(pid)
			if err != nil {
				return nil, err
			}
			result.Daemons[kind] += sum.PSS
		}
	}
	return result, nil
}

// countedOverhead is what the scheduler counts for a pod's machine beside what its containers ask for.
func (c *cluster) countedOverhead(ctx context.Context) (int64, error) {
	pods, err := c.client.CoreV1().Pods(c.namespace).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil || len(pods.Items) == 0 {
		return 0, errors.Join(err, errors.New("no pod to read the counted overhead from"))
	}
	pod := &pods.Items[0]
	return pod.Spec.Overhead.Memory().Value() + podapi.UncountedOverhead(pod), nil
}

func memoryOf(pid int) (Parts, error) {
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return Parts{}, err
	}
	guest, err := guestMemory(strings.Split(string(command), "\x00"))
	if err != nil {
		return Parts{}, err
	}
	mappings, err := smaps.Read(pid)
	return partsOf(mappings, guest), err
}

// daemons by kind: processes of hostd, spherelet and so on of all hosts.
func (c *cluster) daemons(ctx context.Context) map[string][]int {
	kinds := map[string][]int{}
	for _, d := range onemachine.GetStatus(ctx, c.instance).Daemons {
		kind := d.Name
		for _, host := range c.hosts() {
			kind = strings.TrimPrefix(kind, host+"-")
		}
		if d.PID != 0 {
			kinds[kind] = append(kinds[kind], d.PID)
		}
	}
	return kinds
}

// measureIdle measures the processor time of the machines that are there, and of the daemons, over a window.
func (c *cluster) measureIdle(ctx context.Context, window time.Duration) (*Idle, error) {
	machines, err := c.machines(ctx)
	if err != nil {
		return nil, err
	}
	kinds := c.daemons(ctx)
	const vmm = "machines"
	for _, m := range machines {
		kinds[vmm] = append(kinds[vmm], int(m.Pid))
	}
	before, began := cpuTimes(kinds), time.Now()
	select {
	case <-time.After(window):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	after, took := cpuTimes(kinds), time.Since(began)
	result := &Idle{Pods: len(machines), Window: took.Seconds(), Daemons: map[string]float64{}}
	for kind := range kinds {
		result.Daemons[kind] = 100 * (after[kind] - before[kind]).Seconds() / took.Seconds()
	}
	result.Machines = result.Daemons[vmm]
	delete(result.Daemons, vmm)
	result.PerPod = result.Machines / float64(max(len(machines), 1))
	return result, nil
}

func cpuTimes(kinds map[string][]int) map[string]time.Duration {
	times := map[string]time.Duration{}
	for kind, pids := range kinds {
		for _, pid := range pids {
			times[kind] += cpuTime(pid)
		}
	}
	return times
}

// cpuTime of a process, by the scheduler's own account of its threads: what ticks a hundred times a second cannot see
// processes that run for microseconds.
func cpuTime(pid int) (total time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, path := range threads {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		onCPU, _, _ := strings.Cut(string(data), " ")
		nanoseconds, _ := strconv.ParseInt(onCPU, 10, 64)
		total += time.Duration(nanoseconds)
	}
	return total
}
