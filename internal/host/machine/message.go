package machine

import (
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/port"
	"pacific/internal/host/vmm"
)

// message is the machine as the API shows it. runDir is its run directory.
func (r Record) message(runDir string) *hostv1.VirtualMachine {
	spec := proto.CloneOf(r.Spec)
	spec.Disks = nil
	for _, disk := range r.State.Disks {
		spec.Disks = append(spec.Disks, disk.message())
	}
	vm := &hostv1.VirtualMachine{
		Spec:         spec,
		Phase:        r.State.Phase.message(),
		Starts:       r.State.Run,
		StartedAt:    stamp(r.State.StartedAt),
		GuestReadyAt: stamp(r.State.ReadyAt),
		LastExit:     r.State.LastExit.message(),
	}
	vm.NextStartAt, vm.ImageVersion = stamp(r.State.NextStart), r.State.ImageVersion
	if r.State.Process != nil {
		vm.Pid = int32(r.State.Process.PID)
	}
	for i, p := range spec.Ports {
		vm.Ports = append(vm.Ports, &hostv1.PortStatus{Name: p.Name, Interface: portName(spec, i), Mac: mac(spec, i)})
	}
	if spec.GetCrx() != nil {
		vm.PersonalitySocket = filepath.Join(runDir, vmm.PersonalitySocket)
	}
	return vm
}

// portName is the name of the tap of a port.
func portName(spec *hostv1.VirtualMachineSpec, index int) string {
	return PortName(spec.GetId(), index, spec.GetPorts()[index])
}

// PortName is the name of the tap of a machine's port.
func PortName(id string, index int, p *hostv1.Port) string {
	if p.GetNetwork() == NetworkManagement {
		return port.BridgedName(id, index)
	}
	return port.Name(id, index)
}

func mac(spec *hostv1.VirtualMachineSpec, index int) string {
	if mac := spec.Ports[index].Mac; mac != "" {
		return mac
	}
	return port.MAC(spec.Id, index)
}

func (d Disk) message() *hostv1.DiskAttachment {
	return &hostv1.DiskAttachment{
		DiskId: d.ID, ReadOnly: d.ReadOnly, DeleteWithMachine: d.DeleteWithMachine, Lun: int32(d.LUN),
	}
}

func attachment(d *hostv1.DiskAttachment) Disk {
	return Disk{ID: d.DiskId, ReadOnly: d.ReadOnly, DeleteWithMachine: d.DeleteWithMachine}
}

// message shows Ending as RUNNING: STOPPED promises that the VMM is gone.
func (p Phase) message() hostv1.VirtualMachine_Phase {
	switch p {
	case Created:
		return hostv1.VirtualMachine_CREATED
	case Starting, Running, Stopping, Ending:
		return hostv1.VirtualMachine_RUNNING
	}
	return hostv1.VirtualMachine_STOPPED
}

func (e *Exit) message() *hostv1.Exit {
	if e == nil {
		return nil
	}
	return &hostv1.Exit{
		At: stamp(e.At), Reason: e.Reason, Message: e.Message, ExitCode: int32(e.ExitCode), Signal: int32(e.Signal),
	}
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
