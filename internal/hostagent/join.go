package hostagent

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/pki"
)

// agentPort is where center listens for agents.
const agentPort = "7440"

// CenterAddress is host:port for agents of a center with this URL.
func CenterAddress(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Path != "" && u.Path != "/" {
		return "", fmt.Errorf("%q is no URL of a center such as https://10.0.0.9", text)
	}
	return net.JoinHostPort(u.Hostname(), agentPort), nil
}

// Join makes this machine a host. Killed at any point it may be repeated with the same token: the keys that it asks with are on
// disk first, and the configuration, which makes a host, comes last.
func Join(ctx context.Context, dir Dir, c Config, token string, facts *centerv1.Facts) (Config, error) {
	c.CASHA256 = strings.ToLower(strings.ReplaceAll(c.CASHA256, ":", ""))
	if err := c.validate(); err != nil {
		return c, err
	}
	unlock, err := dir.lock()
	if err != nil {
		return c, err
	}
	defer unlock()
	switch have, err := dir.Load(); {
	case err == nil:
		return have, fmt.Errorf("%s has joined center %s as %s already; take it out first, on center with: pacific host remove %s", dir, have.Center, have.Name, have.Name)
	case !errors.Is(err, ErrNotJoined):
		return c, err
	}
	made, requests, err := request(ofHost, dir.joinKey)
	if err != nil {
		return c, err
	}
	var authority *x509.Certificate
	conn, err := dialPinned(c.Center, c.CASHA256, func(a *x509.Certificate) { authority = a })
	if err != nil {
		return c, fmt.Errorf("center %s: %w", c.Center, err)
	}
	defer conn.Close()
	response, err := callJoin(ctx, conn, &centerv1.JoinRequest{Token: token, Name: c.Name, Address: c.Address, Facts: facts, Requests: requests})
	if err != nil {
		return c, fmt.Errorf("join center %s: %s", c.Center, status.Convert(err).Message())
	}
	c.ID, c.Cluster = response.GetId(), response.GetCluster()
	err = errors.Join(
		write(dir.centerCA(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw})),
		write(dir.hostCA(), response.GetHostCa()),
		dir.store(made, response.GetCertificates()),
	)
	if err != nil {
		return c, err
	}
	if err := dir.Save(c); err != nil {
		return c, err
	}
	return c, removeIfThere(dir.joinKeyFile())
}

// callJoin tries for a while: center may be just starting.
func callJoin(ctx context.Context, conn *grpc.ClientConn, r *centerv1.JoinRequest) (*centerv1.JoinResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		response, err := centerv1.NewHostsClient(conn).Join(ctx, r)
		if status.Code(err) != codes.Unavailable || strings.Contains(status.Convert(err).Message(), "authentication handshake failed") {
			return response, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

func (d Dir) joinKeyFile() string { return d.pki("join.key") }

// joinKey is the same key for the agent's certificate whenever this join is repeated; center knows the host by it.
func (d Dir) joinKey(p centerv1.Purpose) (crypto.Signer, []byte, error) {
	if p != centerv1.Purpose_AGENT {
		return pki.NewKey()
	}
	key, err := pki.EnsureKey(d.joinKeyFile())
	if err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(d.joinKeyFile())
	return key, bytes.TrimSpace(text), err
}

func removeIfThere(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lock makes sure that of joins and agents of one directory there is one at a time.
func (d Dir) lock() (unlock func(), err error) {
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return nil, err
	}
	// The directory itself, since a host that is removed deletes all files in it.
	dir, err := os.Open(string(d))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		dir.Close()
		return nil, fmt.Errorf("another join or agent works on %s: %w", d, err)
	}
	return func() { dir.Close() }, nil
}

// lockLimit is far more than the end of a join takes, which makes the host before it lets go.
const lockLimit = 10 * time.Second

func (d Dir) awaitLock(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockLimit)
	defer cancel()
	for {
		if unlock, err = d.lock(); err == nil || !errors.Is(err, unix.EWOULDBLOCK) || ctx.Err() != nil {
			return unlock, err
		}
		pause(ctx, 100*time.Millisecond)
	}
}
