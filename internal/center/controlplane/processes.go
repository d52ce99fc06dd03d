// Package controlplane has the members of Supervisors' control planes on hosts: as processes, or as virtual machines.
package controlplane

import (
	"context"
	"fmt"
	"slices"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/center/wcp"
	"pacific/internal/supervisor/member"
)

// Processes has members as processes that hosts' agents run. The agents follow the record by themselves.
type Processes struct {
	// Report is what a host's agent told last; an error while nobody knows.
	Report func(ctx context.Context, host string) (*centerv1.Report, error)
}

// Deploy implements [wcp.Deployer].
func (Processes) Deploy(context.Context, string, wcp.Supervisor, wcp.Member, member.Config) error {
	return nil
}

// Undeploy implements [wcp.Deployer].
func (Processes) Undeploy(context.Context, string, wcp.Member) error { return nil }

// Deployed implements [wcp.Deployer].
func (p Processes) Deployed(ctx context.Context, _ string, m wcp.Member) (deployed bool, message string, err error) {
	report, err := p.Report(ctx, m.Host)
	if err != nil {
		return false, "", err
	}
	if !slices.Contains(report.GetMembers(), m.Name) {
		return false, "", nil
	}
	for _, problem := range report.GetProblems() {
		message = problem
	}
	for _, d := range report.GetDaemons() {
		if d.GetName() == m.Name && d.GetPid() == 0 {
			message = fmt.Sprintf("its process does not run (ended %d times, last: %s)", d.GetEnds(), d.GetLastEnd())
		}
	}
	return true, message, nil
}
