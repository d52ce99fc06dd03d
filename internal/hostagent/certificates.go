package hostagent

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/pki"
)

// fileNames of the certificates, without their endings.
var fileNames = map[centerv1.Purpose]string{
	centerv1.Purpose_AGENT:           "agent",
	centerv1.Purpose_HOSTD:           "hostd",
	centerv1.Purpose_HOSTD_SPHERELET: "hostd-client-spherelet",
	centerv1.Purpose_NODE:            "spherelet-client",
	centerv1.Purpose_NODE_SERVING:    "spherelet",
	centerv1.Purpose_DATAPLANE:       "dataplane-client",
}

var (
	ofHost = []centerv1.Purpose{centerv1.Purpose_AGENT, centerv1.Purpose_HOSTD, centerv1.Purpose_HOSTD_SPHERELET}
	ofNode = []centerv1.Purpose{centerv1.Purpose_NODE, centerv1.Purpose_NODE_SERVING, centerv1.Purpose_DATAPLANE}
)

func (d Dir) cert(p centerv1.Purpose) string {
	if p == centerv1.Purpose_AGENT {
		return d.agentPair()
	}
	return d.pki(fileNames[p] + ".crt")
}

func (d Dir) key(p centerv1.Purpose) string {
	if p == centerv1.Purpose_AGENT {
		return d.agentPair()
	}
	return d.pki(fileNames[p] + ".key")
}

// purposes of the certificates that the host needs for what is wanted.
func purposes(wanted *centerv1.Wanted) []centerv1.Purpose {
	if wanted.GetNode() == nil {
		return ofHost
	}
	return append(slices.Clone(ofHost), ofNode...)
}

// state of a certificate on disk.
type state int

const (
	good state = iota
	due        // it works, and has to be renewed
	bad        // missing, damaged, at its end, or of another authority
)

// look at a certificate on disk. The authority is nil where any will do.
func (d Dir) look(p centerv1.Purpose, authority *x509.CertPool, now time.Time) (state, time.Time) {
	var cert *x509.Certificate
	var err error
	if p == centerv1.Purpose_AGENT {
		cert, err = pki.Certificate(d.agentPair())
	} else {
		cert, err = pki.Pair(d.cert(p), d.key(p))
	}
	if err != nil {
		return bad, time.Time{}
	}
	if authority != nil {
		options := x509.VerifyOptions{Roots: authority, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
		if _, err := cert.Verify(options); err != nil {
			return bad, cert.NotAfter
		}
	}
	if pki.Due(cert, now) {
		return due, cert.NotAfter
	}
	return good, cert.NotAfter
}

func (d Dir) authority(p centerv1.Purpose) *x509.CertPool {
	file := d.centerCA()
	switch {
	case slices.Contains(ofNode, p):
		file = d.supervisorCA()
	case p != centerv1.Purpose_AGENT:
		file = d.hostCA()
	}
	data, err := os.ReadFile(file)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(data) {
		return nil
	}
	return pool
}

// certificates of the host as they are reported.
func (d Dir) certificates(wanted *centerv1.Wanted, now time.Time) []*centerv1.CertificateState {
	var states []*centerv1.CertificateState
	for _, p := range purposes(wanted) {
		if _, notAfter := d.look(p, nil, now); !notAfter.IsZero() {
			states = append(states, &centerv1.CertificateState{Purpose: p, NotAfter: timestamppb.New(notAfter)})
		}
	}
	return states
}

// keys that were made for requests, by purpose, as PEM.
type keys map[centerv1.Purpose][]byte

// request makes keys and requests to sign them.
func request(purposes []centerv1.Purpose, key func(centerv1.Purpose) (crypto.Signer, []byte, error)) (keys, []*centerv1.CertificateRequest, error) {
	made := keys{}
	var requests []*centerv1.CertificateRequest
	for _, p := range purposes {
		signer, text, err := key(p)
		if err != nil {
			return nil, nil, fmt.Errorf("key of certificate %s: %w", p, err)
		}
		der, err := pki.Request(signer)
		if err != nil {
			return nil, nil, fmt.Errorf("request for certificate %s: %w", p, err)
		}
		made[p] = text
		requests = append(requests, &centerv1.CertificateRequest{Purpose: p, Request: der})
	}
	return made, requests, nil
}

// store writes certificates with their keys; of each pair the key first.
func (d Dir) store(made keys, signed []*centerv1.Certificate) error {
	for _, c := range signed {
		p := c.GetPurpose()
		key, asked := made[p]
		if !asked {
			return fmt.Errorf("center signed a certificate %s that nobody asked for", p)
		}
		if p == centerv1.Purpose_AGENT {
			if err := write(d.agentPair(), append(slices.Clone(c.GetCertificate()), key...)); err != nil {
				return err
			}
			continue
		}
		if err := errors.Join(write(d.key(p), key), write(d.cert(p), c.GetCertificate())); err != nil {
			return err
		}
	}
	return nil
}

// Signer signs requests, as center does.
type signer interface {
	certify(context.Context, []*centerv1.CertificateRequest) ([]*centerv1.Certificate, []byte, error)
}

// renew brings the certificates that are wanted up to date. It returns what keeps it from that, and the purposes that have no
// certificate that works.
func (d Dir) renew(ctx context.Context, wanted *centerv1.Wanted, from signer, now time.Time) (missing []centerv1.Purpose, err error) {
	var needed []centerv1.Purpose
	for _, p := range purposes(wanted) {
		if state, _ := d.look(p, d.authority(p), now); state != good {
			needed = append(needed, p)
			if state == bad {
				missing = append(missing, p)
			}
		}
	}
	if len(needed) == 0 {
		return nil, nil
	}
	made, requests, err := request(needed, func(centerv1.Purpose) (crypto.Signer, []byte, error) { return pki.NewKey() })
	if err != nil {
		return missing, err
	}
	signed, hostCA, err := from.certify(ctx, requests)
	if err != nil {
		return missing, fmt.Errorf("certificates %v: %w", needed, err)
	}
	if err := errors.Join(writeIfChanged(d.hostCA(), hostCA), d.store(made, signed)); err != nil {
		return missing, err
	}
	return nil, nil
}

func write(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(file, data, 0o600, renameio.IgnoreUmask())
}

// writeIfChanged leaves a file alone that is right: its readers watch it.
func writeIfChanged(file string, data []byte) error {
	have, err := os.ReadFile(file)
	if err == nil && bytes.Equal(have, data) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return write(file, data)
}
