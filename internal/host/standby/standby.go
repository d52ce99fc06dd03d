// Package standby keeps machines that wait to be taken over: clones of a template that have rehearsed in a VMM of their own, so
// that an emulator has translated the code that a start runs, and are stopped. See docs/instant-clone.md.
//
// A standby machine has no record. What belongs to it on the host has its id in its name, so a hostd that starts finds what an
// earlier one left; it removes that, but for what a machine's record says was taken over.
package standby

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pacific/internal/host/cgroup"
	guest "pacific/internal/host/crx"
	"pacific/internal/host/port"
	"pacific/internal/host/template"
	"pacific/internal/host/vmm"
)

// Standby is a machine that waits. Whoever has taken it owns all of it.
type Standby struct {
	ID      string
	Class   template.Class
	Process *vmm.Process
	Conn    vmm.Connection
	Init    *guest.InitPort

	template string // its id
	bytes    uint64
}

// alive tells whether its process runs: the kernel ends it first when the host has no memory left.
func (s *Standby) alive() bool {
	now, err := vmm.Identify(s.Process.PID)
	return err == nil && now == s.Process.Identity
}

// close gives up control.
func (s *Standby) close() error {
	return errors.Join(s.Init.Close(), s.Conn.Close(), s.Process.Close())
}

// prefix of the ids. The user of its VMM follows, so that two that live at one time never have the same.
const prefix = "standby-"

// Users of the VMMs of standby machines are below the range of machines' users, and keep theirs when they are taken over.
const (
	firstUID = 1_800_000_000
	uids     = 99_000_000
)

func idOf(uid uint32) string { return prefix + strconv.FormatUint(uint64(uid), 10) }

// IsID tells whether a VMM of this name began as a standby machine.
func IsID(name string) bool { return strings.HasPrefix(name, prefix) }

// Traces are where standby machines are found on a host.
type Traces struct {
	RunDir  string
	VMM     vmm.VMM
	Cgroups *cgroup.Tree
}

// dirs is apart from the machines', so that a standby is never taken for one.
func (t Traces) dirs() string { return filepath.Join(t.RunDir, "s") }

// Dir is the run directory of a standby, which it keeps when it is taken over.
func (t Traces) Dir(id string) string { return filepath.Join(t.dirs(), id) }

// Find returns the VMMs that began as standby machines.
func (t Traces) Find() ([]vmm.Found, error) { return t.VMM.Find(t.dirs()) }

// Remove ends one that nobody holds, and removes all of it but the taps that a machine has taken over. What is gone is no error.
func (t Traces) Remove(id string) error {
	return t.remove(func(other string) bool { return other != id })
}

// Sweep removes all but those to be kept.
func (t Traces) Sweep(keep map[string]bool) error {
	return t.remove(func(id string) bool { return keep[id] })
}

func (t Traces) remove(keep func(id string) bool) error {
	found, err := t.Find()
	if err != nil {
		return err
	}
	for _, f := range found {
		if !keep(f.MachineID) {
			err = errors.Join(err, vmm.End(f.Process))
		}
	}
	return errors.Join(err, t.removeGroups(keep), t.removeDirs(keep))
}

func (t Traces) removeGroups(keep func(string) bool) error {
	ids, err := t.Cgroups.Standbys()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !keep(id) {
			err = errors.Join(err, t.Cgroups.Remove(t.Cgroups.Standby(id)))
		}
	}
	return err
}

// removeDirs removes the taps with the directory of whom they belong to: the directory is there first.
func (t Traces) removeDirs(keep func(string) bool) error {
	entries, err := os.ReadDir(t.dirs())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if id := entry.Name(); !keep(id) {
			err = errors.Join(err, port.DeleteSpares(id), os.RemoveAll(t.Dir(id)))
		}
	}
	return err
}

// claim takes an id, and with it a user, that nothing on this host has.
func (t Traces) claim(random func(n uint32) uint32) (id string, uid uint32, err error) {
	if err := os.MkdirAll(t.dirs(), 0o700); err != nil {
		return "", 0, err
	}
	for {
		uid = firstUID + random(uids)
		id = idOf(uid)
		switch err := os.Mkdir(t.Dir(id), 0o700); {
		case err == nil:
			return id, uid, nil
		case !errors.Is(err, os.ErrExist):
			return "", 0, fmt.Errorf("make its run directory: %w", err)
		}
	}
}
