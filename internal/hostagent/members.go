package hostagent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/keeper"
	"pacific/internal/supervisor/member"
	"pacific/internal/wire"
)

// memberPrefix begins the names of control plane members, and of their daemons.
const memberPrefix = "control-plane-"

// memberDir holds a member's configuration and data.
func (d Dir) memberDir(name string) string { return d.file(filepath.Join("members", name)) }

// ensureMembers brings the control plane members that run here as processes to what is wanted, but for the processes themselves:
// their namespaces and configurations. A member that cannot be made does not keep others away.
func (a *Agent) ensureMembers(wanted []*centerv1.Member) error {
	var errs []error
	for _, m := range wanted {
		if err := a.ensureMember(m); err != nil {
			errs = append(errs, fmt.Errorf("control plane member %s: %w", m.GetName(), err))
		}
	}
	return errors.Join(errs...)
}

func (a *Agent) ensureMember(m *centerv1.Member) error {
	if len(validation.IsDNS1123Label(m.GetName())) > 0 || !strings.HasPrefix(m.GetName(), memberPrefix) {
		return fmt.Errorf("%q is no name of a member", m.GetName())
	}
	if a.config.ManagementBridge == "" {
		return errors.New("this host has no bridge on the management network; join it again with --management-bridge")
	}
	address, err := netip.ParsePrefix(m.GetAddress())
	if err != nil {
		return err
	}
	var gateway netip.Addr
	if m.GetGateway() != "" {
		if gateway, err = netip.ParseAddr(m.GetGateway()); err != nil {
			return err
		}
	}
	if err := a.Dir.writeMember(m); err != nil {
		return err
	}
	machine := a.config.memberMachine(m.GetName())
	machine.Address = address
	return wire.EnsureMachine(machine, a.config.ManagementBridge, gateway)
}

// memberMachine is the namespace of a member, and its wire.
func (c Config) memberMachine(name string) wire.Machine {
	return wire.Machine{Namespace: c.NamespacePrefix + name, Port: "cp-" + strings.TrimPrefix(name, memberPrefix)}
}

// writeMember completes the configuration with what only the host knows.
func (d Dir) writeMember(m *centerv1.Member) error {
	dir := d.memberDir(m.GetName())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var config member.Config
	if err := json.Unmarshal(m.GetConfig(), &config); err != nil {
		return errors.New("its configuration is not what this agent knows; are center and the host of the same version?")
	}
	config.DataDir = filepath.Join(dir, "data")
	data, err := json.Marshal(config)
	if err != nil {
		return err
	}
	// The process reads its configuration when it starts, but registries when it needs them.
	return errors.Join(writeIfChanged(d.memberConfig(m.GetName()), data), config.WriteRegistries())
}

func (d Dir) memberConfig(name string) string {
	return filepath.Join(d.memberDir(name), "member.json")
}

// presentMembers are those that the host has, running or not.
func (d Dir) presentMembers() ([]string, error) {
	entries, err := os.ReadDir(d.file("members"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

// Members that the host has; one whose directory cannot be read is not there.
func (d Dir) Members() []string {
	names, _ := d.presentMembers()
	return names
}

// dropMembers deletes the members that are not wanted, with their data, once their processes have ended.
func (a *Agent) dropMembers(wanted []*centerv1.Member) error {
	names, err := a.Dir.presentMembers()
	errs := []error{err}
	for _, name := range names {
		if !slices.ContainsFunc(wanted, func(m *centerv1.Member) bool { return m.GetName() == name }) {
			errs = append(errs, a.dropMember(name))
		}
	}
	return errors.Join(errs...)
}

func (a *Agent) dropMember(name string) error {
	daemon := a.config.Prefix + name
	if rec, ok := a.config.Records().Running(daemon); ok {
		if err := rec.Terminate(stopGrace); err != nil {
			return err
		}
	}
	return errors.Join(
		a.config.Records().Forget(daemon), removeIfThere(filepath.Join(a.config.RecordDir, daemon+".end")),
		wire.DeleteMachine(a.config.memberMachine(name)),
		os.RemoveAll(a.Dir.memberDir(name)),
	)
}

// member is a member's daemon; it runs as soon as its configuration is there.
func (p planner) member(m *centerv1.Member) keeper.Daemon {
	d := p.daemon("supervisor", "--config="+p.dir.memberConfig(m.GetName()))
	d.Name, d.Namespace = p.Prefix+m.GetName(), p.memberMachine(m.GetName()).Namespace
	d.Log = filepath.Join(p.LogDir, d.Name+".log")
	return d
}
