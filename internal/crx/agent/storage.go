package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/podstate"

	"golang.org/x/sys/unix"
)

// storageInterval is how often a pod with limits of its storage is looked at, the kubelet's. A pod without any is not.
const storageInterval = 10 * time.Second

// watchStorage ends the pod when it uses more storage than it may.
func (p *pod) watchStorage() {
	if !limitsStorage(p.spec) {
		return
	}
	var seen uint64
	for range time.Tick(storageInterval) {
		if p.setupCtx.Err() != nil {
			return
		}
		// Nothing was written since the last time: nothing to count.
		free, err := freeBlocks(ephemeralDir)
		if err == nil && free == seen {
			continue
		}
		seen = free
		if message := excess(p.spec, p.used()); message != "" {
			p.tell(podstate.Event{Kind: podstate.Evict, Message: message})
			return
		}
	}
}

func freeBlocks(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return s.Bfree, nil
}

// usage of storage in bytes.
type usage struct {
	volumes    map[string]uint64 // emptyDirs on disk
	containers map[string]uint64 // what a container has written, and its logs
}

func (p *pod) used() usage {
	u := usage{map[string]uint64{}, map[string]uint64{}}
	for _, v := range p.spec.GetVolumes() {
		if e := v.GetEmptyDir(); e != nil && !e.GetMemory() {
			u.volumes[v.GetName()] = diskUsage(filepath.Join(p.volumes.Ephemeral, v.GetName()))
		}
	}
	p.mu.Lock()
	names := append([]string(nil), p.order...)
	p.mu.Unlock()
	for _, name := range names {
		u.containers[name] = diskUsage(filepath.Join(ephemeralDir, "containers", name)) + diskUsage(filepath.Dir(logPath(name, 0)))
	}
	return u
}

func limitsStorage(p *agentv1.Pod) bool {
	for _, v := range p.GetVolumes() {
		if e := v.GetEmptyDir(); e != nil && !e.GetMemory() && e.GetSizeLimitBytes() > 0 {
			return true
		}
	}
	for _, c := range p.GetContainers() {
		if c.GetResources().GetEphemeralLimitBytes() > 0 {
			return true
		}
	}
	return false
}

// excess says, in the kubelet's words, which limit is exceeded; "" if none. The pod as a whole has a limit when all its
// containers have.
func excess(p *agentv1.Pod, u usage) string {
	var total, limits uint64
	for _, v := range p.GetVolumes() {
		size := u.volumes[v.GetName()]
		total += size
		if limit := v.GetEmptyDir().GetSizeLimitBytes(); limit > 0 && size > uint64(limit) {
			return fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.GetName(), quantity(limit))
		}
	}
	all := true
	for _, c := range p.GetContainers() {
		size, limit := u.containers[c.GetName()], c.GetResources().GetEphemeralLimitBytes()
		total += size
		limits += uint64(limit)
		all = all && limit > 0
		if limit > 0 && size > uint64(limit) {
			return fmt.Sprintf("Container %s exceeded its local ephemeral storage limit %q. ", c.GetName(), quantity(limit))
		}
	}
	if all && limits > 0 && total > limits {
		return fmt.Sprintf("Pod ephemeral local storage usage exceeds the total limit of containers %s. ", quantity(int64(limits)))
	}
	return ""
}

// quantity writes bytes as Kubernetes does.
func quantity(bytes int64) string {
	units := []string{"", "Ki", "Mi", "Gi", "Ti", "Pi"}
	i := 0
	for i < len(units)-1 && bytes >= 1024 && bytes%1024 == 0 {
		bytes /= 1024
		i++
	}
	return fmt.Sprintf("%d%s", bytes, units[i])
}
