// Package password hashes passwords, checks them, and says which ones are good enough.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Parameters of argon2id (RFC 9106). Each hash carries the ones it was made with, so they may be raised at any time.
type Parameters struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// DefaultParameters take some 40 ms and 19 MiB on one processor: OWASP's recommendation for a server that checks many.
var DefaultParameters = Parameters{MemoryKiB: 19 * 1024, Passes: 2, Lanes: 1}

// What a stored hash may ask for at most, lest a damaged record eat the memory.
const (
	maxMemoryKiB = 1 << 20
	maxPasses    = 64
	saltLength   = 16
	keyLength    = 32
)

// ErrBusy says that so many passwords are being checked already that this one would wait too long.
var ErrBusy = errors.New("too many passwords are being checked right now: try again in a moment")

// Hasher bounds how many hashes are computed at once, and so the memory that logins can take, and how many wait for that.
type Hasher struct {
	parameters Parameters
	running    chan struct{}
	waiting    chan struct{}
}

// NewHasher computes one hash a processor at a time, and lets 64 callers wait.
func NewHasher(p Parameters) *Hasher {
	n := max(1, runtime.GOMAXPROCS(0))
	return &Hasher{parameters: p, running: make(chan struct{}, n), waiting: make(chan struct{}, n+64)}
}

// Hash of a password with a new salt, in the PHC string format:
// $argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<key>.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	key, err := h.derive(ctx, password, salt, h.parameters, keyLength)
	if err != nil {
		return "", err
	}
	return encode(h.parameters, salt, key), nil
}

// Verify tells whether the hash is the password's, and whether the password should be hashed anew because the hash was
// made with other parameters than are in use now.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, stale bool, err error) {
	p, salt, want, err := decode(hash)
	if err != nil {
		return false, false, err
	}
	got, err := h.derive(ctx, password, salt, p, uint32(len(want)))
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, p != h.parameters, nil
}

// Waste does the work of one check for a user who is not there, so that the time tells nobody so.
func (h *Hasher) Waste(ctx context.Context, password string) error {
	_, err := h.derive(ctx, password, make([]byte, saltLength), h.parameters, keyLength)
	return err
}

func (h *Hasher) derive(ctx context.Context, password string, salt []byte, p Parameters, length uint32) ([]byte, error) {
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return nil, ErrBusy
	}
	select {
	case h.running <- struct{}{}:
		defer func() { <-h.running }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, p.Passes, p.MemoryKiB, p.Lanes, length), nil
}

func encode(p Parameters, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.MemoryKiB, p.Passes, p.Lanes,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

var errHash = errors.New("this is no hash of argon2id in the PHC string format")

func decode(hash string) (p Parameters, salt, key []byte, err error) {
	fields := strings.Split(hash, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Passes, &p.Lanes); err != nil {
		return p, nil, nil, errHash
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(fields[4])
	key, keyErr := base64.RawStdEncoding.DecodeString(fields[5])
	sound := p.MemoryKiB <= maxMemoryKiB && p.Passes > 0 && p.Passes <= maxPasses && p.Lanes > 0 && len(key) >= 16 && len(key) <= 64
	if saltErr != nil || keyErr != nil || !sound {
		return p, nil, nil, errHash
	}
	return p, salt, key, nil
}
