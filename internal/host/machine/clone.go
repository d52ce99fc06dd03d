package machine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"strings"
	"time"

	"pacific/api/crx"
	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/template"
	"pacific/internal/host/vmm"
)

// Templates are what machines are cloned from.
type Templates interface {
	// Get returns the template of a class, or nil and why there is none.
	Get(template.Class) (*template.Copy, string)
	// Discard throws away one of which no clone could be made.
	Discard(id string)
}

// cloneTimeout is for a clone to answer. It takes a tenth of a second; many that start at once on a busy host take their time, and
// to boot one of them instead would take more.
const cloneTimeout = 15 * time.Second

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
func (a *actor) start(ctx context.Context, run uint32) (*session, error) {
	record := a.snapshot()
	if record.Spec.GetCrx() == nil || a.host.Templates == nil {
		return a.boot(ctx, run, record, nil)
	}
	copy, reason := a.host.Templates.Get(class(record.Spec))
	if copy != nil {
		s, err := a.clone(ctx, run, record, copy)
		if err == nil {
			starts.count("clone", "")
			return s, nil
		}
		slog.Warn("machine cannot be cloned and boots instead", "machine", a.id, "template", copy.ID, "err", err)
		a.host.Templates.Discard(copy.ID)
		reason = template.ReasonFailed
	}
	starts.count("cold", reason)
	return a.boot(ctx, run, record, nil)
}

func (a *actor) clone(ctx context.Context, run uint32, record Record, copy *template.Copy) (*session, error) {
	defer copy.Close()
	ctx, cancel := context.WithTimeout(ctx, cloneTimeout)
	defer cancel()
	return a.boot(ctx, run, record, copy)
}

// individualize lets a clone go on as a machine of its own, and returns when it has become one.
func (s *session) individualize(ctx context.Context, record Record) error {
	deadline, _ := ctx.Deadline()
	if err := s.init.SetDeadline(deadline); err != nil {
		return err
	}
	identity := identity(record)
	lag, err := s.lag()
	if err != nil {
		return err
	}
	identity.StepNanos = lag.Nanoseconds()
	if err := s.init.Send(crx.Message{Identity: &identity}); err != nil {
		return err
	}
	if _, err := s.hear(func(m crx.Message) bool { return m.Ready != nil }); err != nil {
		return err
	}
	s.ready = time.Now()
	return s.init.SetDeadline(time.Time{})
}

// hear returns the next message that is wanted.
func (s *session) hear(wanted func(crx.Message) bool) (crx.Message, error) {
	for {
		message, err := s.init.Next()
		switch {
		case err != nil:
			return message, fmt.Errorf("the clone does not answer: %w", err)
		case message.Exited != nil:
			return message, errors.New(message.Exited.Message)
		case wanted(message):
			return message, nil
		}
	}
}

// The guest's clock is asked for until an answer is fast enough for half of its time, the error, not to matter; the first is not,
// since it runs code that the VMM has not translated yet.
const (
	fastAnswer = 10 * time.Millisecond
	maxPings   = 5
)

// lag is how far the guest's wall clock is behind the host's.
func (s *session) lag() (lag time.Duration, err error) {
	fastest := time.Duration(math.MaxInt64)
	for nonce := uint64(1); nonce <= maxPings && fastest > fastAnswer; nonce++ {
		sent := time.Now()
		if err := s.init.Send(crx.Message{Ping: &crx.Ping{Nonce: nonce}}); err != nil {
			return 0, err
		}
		answer, err := s.hear(func(m crx.Message) bool { return m.Pong != nil && m.Pong.Nonce == nonce })
		if err != nil {
			return 0, err
		}
		if took := time.Since(sent); took < fastest {
			fastest, lag = took, sent.Add(took/2).Sub(time.Unix(0, answer.Pong.UnixNanos))
		}
	}
	return lag, nil
}

// entropyBytes fill the guest's random number generator, whose key has 32.
const entropyBytes = 64

func identity(record Record) crx.Identity {
	id := record.Spec.GetId()
	entropy := make([]byte, entropyBytes)
	rand.Read(entropy) // never fails
	identity := crx.Identity{Entropy: entropy, Hostname: id, MachineID: machineID(id)}
	for i := range record.Spec.GetPorts() {
		identity.MACs = append(identity.MACs, mac(record.Spec, i))
	}
	return identity
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// machineID of a machine, as machine-id(5): a UUID is its own.
func machineID(id string) string {
	if uuid.MatchString(id) {
		return strings.ReplaceAll(id, "-", "")
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}

// restore gives the VMM of a clone the state of the template.
func (s *session) restore(ctx context.Context, copy *template.Copy) error {
	snapshotter, ok := s.conn.(vmm.Snapshotter)
	if !ok {
		return errors.New("the VMM cannot clone machines")
	}
	return snapshotter.Restore(ctx, copy.State)
}
