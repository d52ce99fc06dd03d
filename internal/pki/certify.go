package pki

import (
	"crypto"
	"fmt"
	"time"
)

// Certify issues a certificate as described for a public key that the caller has made itself: DER. The leaf's files are not
// used.
func (ca *CA) Certify(public crypto.PublicKey, leaf Leaf, life time.Duration) ([]byte, error) {
	der, err := ca.sign(leaf, public, life)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate for %q: %w", leaf.CommonName, err)
	}
	return der, nil
}
