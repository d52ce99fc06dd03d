package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
	"pacific/api/seed"
	"pacific/internal/center/wcp"
	"pacific/internal/supervisor/member"
)

// Machines has members as virtual machines of the control plane image.
type Machines struct {
	// Dial is the connection to a host's hostd.
	Dial func(ctx context.Context, host string) (*grpc.ClientConn, error)
}

const (
	image = "supervisor"
	// configFile is where a machine finds its configuration, which came on its seed disk.
	configFile = seed.Dir + "/member.json"
	gib        = 1 << 30
	mib        = 1 << 20
	// LabelSupervisor and LabelMember say what a machine is.
	LabelSupervisor = "pacific.internal/supervisor"
	LabelMember     = "pacific.internal/member"
)

func machineID(cluster string, m wcp.Member) string { return cluster + "-" + m.Name }
func dataDisk(machine string) string                { return machine + "-data" }
func seedDisk(machine string) string                { return machine + "-seed" }

// Deploy implements [wcp.Deployer].
func (d Machines) Deploy(ctx context.Context, cluster string, s wcp.Supervisor, m wcp.Member, config member.Config) error {
	conn, err := d.Dial(ctx, m.Host)
	if err != nil {
		return err
	}
	machines, id := hostv1.NewVirtualMachinesClient(conn), machineID(cluster, m)
	machine, err := machines.Get(ctx, &hostv1.GetRequest{Id: id})
	switch {
	case status.Code(err) == codes.NotFound:
		return d.create(ctx, conn, id, cluster, s, m, config)
	case err != nil:
		return fmt.Errorf("machine %s on host %s: %w", id, m.Host, err)
	case machine.GetPhase() == hostv1.VirtualMachine_RUNNING || machine.GetNextStartAt() != nil:
		return nil
	}
	if _, err := machines.Start(ctx, &hostv1.StartRequest{Id: id}); err != nil {
		return fmt.Errorf("start machine %s on host %s: %w", id, m.Host, err)
	}
	return nil
}

// create makes the disks first: a machine that is there has them.
func (d Machines) create(ctx context.Context, conn *grpc.ClientConn, id, cluster string, s wcp.Supervisor, m wcp.Member, config member.Config) error {
	content, err := seedOf(s, m, config)
	if err != nil {
		return fmt.Errorf("seed of %s: %w", id, err)
	}
	size := wcp.Sizes[s.Plan.Size]
	disks := hostv1.NewDisksClient(conn)
	for _, request := range []*hostv1.CreateDiskRequest{
		{Disk: &hostv1.Disk{Id: dataDisk(id), SizeBytes: uint64(size.DiskGiB) * gib, Filesystem: "ext4"}},
		{Disk: &hostv1.Disk{Id: seedDisk(id), SizeBytes: seed.MaxBytes}, Content: content},
	} {
		if _, err := disks.Create(ctx, request); err != nil {
			return fmt.Errorf("disk %s on host %s: %w", request.GetDisk().GetId(), m.Host, err)
		}
	}
	_, err = hostv1.NewVirtualMachinesClient(conn).Create(ctx, &hostv1.CreateRequest{Start: true, Spec: &hostv1.VirtualMachineSpec{
		Id: id, Name: "SupervisorControlPlaneVM (" + strings.TrimPrefix(m.Name, "control-plane-") + ")",
		Type:  &hostv1.VirtualMachineSpec_Guest{Guest: &hostv1.Guest{Image: image}},
		Vcpus: uint32(size.CPUs), MemoryBytes: uint64(size.MemoryMiB) * mib,
		RestartPolicy: hostv1.VirtualMachineSpec_ALWAYS,
		Ports:         []*hostv1.Port{{Name: seed.Interface, Network: "management"}},
		Disks: []*hostv1.DiskAttachment{
			{DiskId: dataDisk(id), DeleteWithMachine: true},
			{DiskId: seedDisk(id), ReadOnly: true, DeleteWithMachine: true},
		},
		Labels: map[string]string{LabelSupervisor: cluster, LabelMember: m.Name},
	}})
	if err != nil {
		return fmt.Errorf("machine %s on host %s: %w", id, m.Host, err)
	}
	return nil
}

func seedOf(s wcp.Supervisor, m wcp.Member, config member.Config) ([]byte, error) {
	config.DataDir = seed.DataDir
	document, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	return seed.Seed{
		Hostname:  m.Name,
		Network:   seed.Network{Address: netip.PrefixFrom(m.Address, s.Plan.Floating.Bits()), Gateway: s.Plan.Gateway, Nameservers: s.Plan.Nameservers},
		Files:     []seed.File{{Path: configFile, Content: document}},
		Arguments: []string{"--config=" + configFile},
	}.Encode()
}

// Undeploy implements [wcp.Deployer].
func (d Machines) Undeploy(ctx context.Context, cluster string, m wcp.Member) error {
	conn, err := d.Dial(ctx, m.Host)
	if err != nil {
		return err
	}
	id := machineID(cluster, m)
	if _, err := hostv1.NewVirtualMachinesClient(conn).Destroy(ctx, &hostv1.DestroyRequest{Id: id}); err != nil {
		return fmt.Errorf("destroy machine %s on host %s: %w", id, m.Host, err)
	}
	var errs []error
	for _, disk := range []string{dataDisk(id), seedDisk(id)} {
		_, err := hostv1.NewDisksClient(conn).Delete(ctx, &hostv1.DeleteDiskRequest{Id: disk})
		if status.Code(err) != codes.NotFound {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Deployed implements [wcp.Deployer].
func (d Machines) Deployed(ctx context.Context, cluster string, m wcp.Member) (deployed bool, message string, err error) {
	conn, err := d.Dial(ctx, m.Host)
	if err != nil {
		return false, "", err
	}
	machine, err := hostv1.NewVirtualMachinesClient(conn).Get(ctx, &hostv1.GetRequest{Id: machineID(cluster, m)})
	if status.Code(err) == codes.NotFound {
		return false, "", nil
	}
	if err != nil {
		return false, "", err
	}
	return true, tell(machine), nil
}

// tell says what a machine waits for.
func tell(machine *hostv1.VirtualMachine) string {
	guest := machine.GetGuest()
	switch {
	case machine.GetPhase() != hostv1.VirtualMachine_RUNNING && machine.GetLastExit() != nil:
		return fmt.Sprintf("its machine does not run: %s: %s", machine.GetLastExit().GetReason(), machine.GetLastExit().GetMessage())
	case machine.GetPhase() != hostv1.VirtualMachine_RUNNING:
		return "its machine does not run"
	case guest == nil:
		return "its machine boots"
	case guest.GetStage() == "Ready":
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(guest.GetStage())+": "+guest.GetMessage(), ": ")
}
