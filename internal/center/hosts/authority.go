package hosts

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/pki"
)

// CertificateLife is short, since certificates are renewed by themselves, and long against a host that is switched off.
const CertificateLife = 90 * 24 * time.Hour

// Signer is a certificate authority, as [pki.CA] is one.
type Signer interface {
	Sign(request []byte, leaf pki.Leaf, life time.Duration) ([]byte, error)
}

// agentPrefix of the common name of an agent's certificate.
const agentPrefix = "host:"

// leafOf is the fixed list of what a host may have signed: by purpose, with its own name and address.
func leafOf(purpose centerv1.Purpose, name, address string) (leaf pki.Leaf, ok bool) {
	serving := func(commonName string) pki.Leaf {
		return pki.Leaf{CommonName: commonName, DNSNames: []string{name}, IPs: []net.IP{net.ParseIP(address)}, Server: true}
	}
	client := func(commonName string, organizations ...string) pki.Leaf {
		return pki.Leaf{CommonName: commonName, Organizations: organizations, Client: true}
	}
	switch purpose {
	case centerv1.Purpose_AGENT:
		return client(agentPrefix + name), true
	case centerv1.Purpose_HOSTD:
		return serving(name), true
	case centerv1.Purpose_HOSTD_SPHERELET:
		return client("spherelet:" + name), true
	case centerv1.Purpose_NODE:
		return client("system:node:"+name, "system:nodes"), true
	case centerv1.Purpose_NODE_SERVING:
		return serving("system:node:" + name), true
	case centerv1.Purpose_DATAPLANE:
		return client("pacific:dataplane:"+name, "pacific:dataplanes"), true
	}
	return pki.Leaf{}, false
}

// signerFor finds the authority of a purpose.
func (h *Hosts) signerFor(ctx context.Context, host Host, purpose centerv1.Purpose) (Signer, error) {
	switch purpose {
	case centerv1.Purpose_AGENT:
		return h.config.CenterCA, nil
	case centerv1.Purpose_HOSTD, centerv1.Purpose_HOSTD_SPHERELET:
		return h.config.HostCA, nil
	}
	signer, err := h.config.Supervisors.Authority(ctx, host)
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "certificate %s of host %s: the Supervisor's authority: %v", purpose, host.Name, err)
	}
	if signer == nil {
		return nil, status.Errorf(codes.FailedPrecondition, "certificate %s of host %s: cluster %s is no Supervisor", purpose, host.Name, host.Cluster)
	}
	return signer, nil
}

func (h *Hosts) certify(ctx context.Context, host Host, requests []*centerv1.CertificateRequest) ([]*centerv1.Certificate, error) {
	var signed []*centerv1.Certificate
	for _, request := range requests {
		leaf, ok := leafOf(request.GetPurpose(), host.Name, host.Address)
		if !ok {
			return nil, status.Errorf(codes.InvalidArgument, "no host has a certificate of purpose %s", request.GetPurpose())
		}
		signer, err := h.signerFor(ctx, host, request.GetPurpose())
		if err != nil {
			return nil, err
		}
		certificate, err := signer.Sign(request.GetRequest(), leaf, CertificateLife)
		if err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "certificate %s of host %s: %v", request.GetPurpose(), host.Name, err)
		}
		signed = append(signed, &centerv1.Certificate{Purpose: request.GetPurpose(), Certificate: certificate})
	}
	return signed, nil
}
