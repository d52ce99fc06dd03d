package crx

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"pacific/api/crx"
)

// entropyBytes fill the guest's random number generator, whose key has 32.
const entropyBytes = 64

// NewIdentity is that of a machine with this id and these hardware addresses, with entropy that nobody else has. The step of the
// clock is found out when it is given.
func NewIdentity(id string, macs []string) crx.Identity {
	entropy := make([]byte, entropyBytes)
	rand.Read(entropy) // never fails
	return crx.Identity{Entropy: entropy, Hostname: id, MachineID: machineID(id), MACs: macs}
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

// Become makes a machine that PID 1 holds an individual, and returns when PID 1 says that it is one and goes on: or, with
// identity.Rehearse, when it has rehearsed and is held again. It returns early when ctx is done; the port is of no use then.
func (p *InitPort) Become(ctx context.Context, identity crx.Identity) error {
	stop := context.AfterFunc(ctx, func() { _ = p.SetDeadline(time.Unix(1, 0)) })
	err := p.become(identity)
	if !stop() {
		return context.Cause(ctx)
	}
	return err
}

func (p *InitPort) become(identity crx.Identity) error {
	lag, err := p.lag()
	if err != nil {
		return err
	}
	identity.StepNanos = lag.Nanoseconds()
	if err := p.Send(crx.Message{Identity: &identity}); err != nil {
		return err
	}
	_, err = p.hear(func(m crx.Message) bool {
		if identity.Rehearse {
			return m.Held != nil && m.Held.Rehearsals > 0
		}
		return m.Ready != nil
	})
	return err
}

// hear returns the next message that is wanted.
func (p *InitPort) hear(wanted func(crx.Message) bool) (crx.Message, error) {
	for {
		message, err := p.Next()
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
func (p *InitPort) lag() (lag time.Duration, err error) {
	fastest := time.Duration(math.MaxInt64)
	for nonce := uint64(1); nonce <= maxPings && fastest > fastAnswer; nonce++ {
		sent := time.Now()
		if err := p.Send(crx.Message{Ping: &crx.Ping{Nonce: nonce}}); err != nil {
			return 0, err
		}
		answer, err := p.hear(func(m crx.Message) bool { return m.Pong != nil && m.Pong.Nonce == nonce })
		if err != nil {
			return 0, err
		}
		if took := time.Since(sent); took < fastest {
			fastest, lag = took, sent.Add(took/2).Sub(time.Unix(0, answer.Pong.UnixNanos))
		}
	}
	return lag, nil
}
