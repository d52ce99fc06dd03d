package machine

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"pacific/api/crx"
	hostv1 "pacific/api/host/v1"
	guest "pacific/internal/host/crx"
	"pacific/internal/host/template"
	"pacific/internal/host/vmm"
)

// Templates are what machines are cloned from.
type Templates interface {
	// Get returns the template of a class, or nil and why there is none.
	Get(template.Class) (*template.Copy, string)
	// Report tells how a clone came out, nil for well.
	Report(id string, failure error)
}

// cloneLimit is for a clone to answer, without the time that it waits for a processor. It takes a tenth of a second.
const cloneLimit = 15 * time.Second

// class of a machine; only a CRX has one.
func class(spec *hostv1.VirtualMachineSpec) template.Class {
	return template.Class{
		Personality: spec.GetCrx().GetPersonality(), VCPUs: spec.GetVcpus(), MemoryBytes: memory(spec), Ports: len(spec.GetPorts()),
	}
}

// memory of a machine. That of a CRX is rounded up, so that machines of about the same size share a template.
func memory(spec *hostv1.VirtualMachineSpec) uint64 {
	if spec.GetCrx() == nil {
		return spec.GetMemoryBytes()
	}
	return template.SizeClass(spec.GetMemoryBytes())
}

// start clones the machine where there is a template, else boots it.
func (a *actor) start(run uint32) (*session, error) {
	record := a.snapshot()
	if record.Spec.GetCrx() == nil || a.host.Templates == nil {
		return a.boot(run, record, nil)
	}
	copy, reason := a.host.Templates.Get(class(record.Spec))
	if copy != nil {
		s, err := a.boot(run, record, copy)
		a.host.Templates.Report(copy.ID, err)
		_ = copy.Close() // read only
		if err == nil {
			starts.count("clone", "")
			return s, nil
		}
		slog.Warn("machine cannot be cloned and boots instead", "machine", a.id, "template", copy.ID, "err", err)
		reason = template.ReasonFailed
	}
	starts.count("cold", reason)
	return a.boot(run, record, nil)
}

// individualize lets a clone go on as the machine, and returns when it has become it.
func (s *session) individualize(ctx context.Context, record Record) error {
	if err := s.init.Become(ctx, identity(record)); err != nil {
		return err
	}
	s.ready = time.Now()
	return nil
}

func identity(record Record) crx.Identity {
	var macs []string
	for i := range record.Spec.GetPorts() {
		macs = append(macs, mac(record.Spec, i))
	}
	return guest.NewIdentity(record.Spec.GetId(), macs)
}

// restore gives the VMM of a clone the state of the template.
func (s *session) restore(ctx context.Context, copy *template.Copy) error {
	snapshotter, ok := s.conn.(vmm.Snapshotter)
	if !ok {
		return errors.New("the VMM cannot clone machines")
	}
	return snapshotter.Restore(ctx, copy.State)
}
