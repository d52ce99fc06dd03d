package pki

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"slices"
	"time"
)

// Leaf describes the certificate that a program should have, and where its files lie.
type Leaf struct {
	CertFile, KeyFile string
	CommonName        string
	Organizations     []string
	DNSNames          []string
	IPs               []net.IP
	Server, Client    bool // extended key usages
}

// Ensure makes sure that the leaf's files hold a certificate of this authority as described, with at least a third of its
// life left, and issues a new one where they do not. It tells whether it issued.
func (ca *CA) Ensure(leaf Leaf) (renewed bool, err error) {
	if ca.holds(leaf) {
		return false, nil
	}
	if err := ca.issue(leaf); err != nil {
		return false, fmt.Errorf("issue certificate %s for %q: %w", leaf.CertFile, leaf.CommonName, err)
	}
	return true, nil
}

func (ca *CA) holds(leaf Leaf) bool {
	cert, _, err := loadPair(leaf.CertFile, leaf.KeyFile)
	if err != nil || cert.CheckSignatureFrom(ca.cert) != nil {
		return false
	}
	return leaf.describes(cert) && !due(cert, ca.now())
}

// due tells whether two thirds of the certificate's life are over.
func due(cert *x509.Certificate, now time.Time) bool {
	life := cert.NotAfter.Sub(cert.NotBefore)
	return now.After(cert.NotBefore.Add(life * 2 / 3))
}

func (leaf Leaf) describes(cert *x509.Certificate) bool {
	return cert.Subject.CommonName == leaf.CommonName &&
		sameSet(cert.Subject.Organization, leaf.Organizations) &&
		sameSet(cert.DNSNames, leaf.DNSNames) &&
		sameSet(ipStrings(cert.IPAddresses), ipStrings(leaf.IPs)) &&
		slices.Equal(cert.ExtKeyUsage, leaf.usages())
}

func (leaf Leaf) usages() []x509.ExtKeyUsage {
	var usages []x509.ExtKeyUsage
	if leaf.Server {
		usages = append(usages, x509.ExtKeyUsageServerAuth)
	}
	if leaf.Client {
		usages = append(usages, x509.ExtKeyUsageClientAuth)
	}
	return usages
}

func (ca *CA) issue(leaf Leaf) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	der, err := ca.sign(leaf, key.Public(), leafLife)
	if err != nil {
		return err
	}
	return writePair(leaf.CertFile, leaf.KeyFile, der, key)
}

func (ca *CA) sign(leaf Leaf, public crypto.PublicKey, life time.Duration) ([]byte, error) {
	now := ca.now()
	notAfter := now.Add(life)
	if notAfter.After(ca.cert.NotAfter) {
		notAfter = ca.cert.NotAfter
	}
	return sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: leaf.CommonName, Organization: leaf.Organizations},
		NotBefore:   now.Add(-backdate),
		NotAfter:    notAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: leaf.usages(),
		DNSNames:    leaf.DNSNames,
		IPAddresses: leaf.IPs,
	}, ca.cert, public, ca.key)
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func ipStrings(ips []net.IP) []string {
	out := make([]string, len(ips))
	for i, ip := range ips {
		out[i] = ip.String()
	}
	return out
}
