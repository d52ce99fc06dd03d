package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"

	hostv1 "pacific/api/host/v1"
)

// fileProblems are directories that the daemons of a host keep for pods and machines that are no more.
func (c *Cluster) fileProblems(host string, pods []corev1.Pod, inventory *hostv1.GetInventoryResponse) ([]string, error) {
	uids, machines, running := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, pod := range pods {
		uids[string(pod.UID)] = pod.Spec.NodeName == host
	}
	for _, m := range inventory.Machines {
		machines[m.Id], running[m.Id] = true, m.Pid != 0
	}
	disks := map[string]bool{}
	for _, d := range inventory.Disks {
		disks[filepath.Base(filepath.Dir(d.Name))] = true
	}
	var found []string
	var errs []error
	for _, keep := range []struct {
		what, dir string
		wanted    map[string]bool
	}{
		{"what the spherelet keeps of pods", filepath.Join(c.HostDir(host), "spherelet", "pods"), uids},
		{"records of machines", filepath.Join(c.HostDir(host), "hostd", "machines"), machines},
		{"disks", filepath.Join(c.HostDir(host), "hostd", "disks"), disks},
		{"run directories of machines", filepath.Join(c.HostRunDir(host), "m"), running},
	} {
		left, err := strangers(keep.dir, keep.wanted)
		errs = append(errs, err)
		for _, name := range left {
			found = append(found, fmt.Sprintf("%s, %s: %s is nobody's", host, keep.what, filepath.Join(keep.dir, name)))
		}
	}
	return found, errors.Join(errs...)
}

// strangers are the entries of a directory that nobody wants.
func strangers(dir string, wanted map[string]bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var found []string
	for _, entry := range entries {
		if !wanted[entry.Name()] {
			found = append(found, entry.Name())
		}
	}
	slices.Sort(found)
	return found, err
}
