package keeper

import "slices"

// Daemon is a process that the keeper keeps running.
type Daemon struct {
	Name      string
	Namespace string // network namespace; empty for the keeper's own
	Program   string
	Args      []string
	Log       string
	// AfterSupervisor daemons are of no use before the Kubernetes API answers for the first time.
	AfterSupervisor bool
}

// Command line of the daemon, program first.
func (d Daemon) Command() []string { return append([]string{d.Program}, d.Args...) }

// equal tells whether the two are run in the same way.
func (d Daemon) equal(other Daemon) bool {
	return d.Name == other.Name && d.Namespace == other.Namespace && d.Log == other.Log && d.AfterSupervisor == other.AfterSupervisor &&
		slices.Equal(d.Command(), other.Command())
}
