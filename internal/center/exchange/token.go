package exchange

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

// TokenLife is how long a token counts, as in the original.
const TokenLife = 10 * time.Hour

// Claims are what a token says (RFC 7519).
type Claims struct {
	jwt.Claims
	// Domain is that of the subject, GroupNames are the groups as name@domain.
	Domain     string   `json:"domain"`
	GroupNames []string `json:"group_names"`
}

// Subject is whom an assertion speaks of.
type Subject struct {
	// ID of the assertion, which makes it usable once.
	ID string
	// Name and Domain of the user.
	Name, Domain string
	// Groups as name@domain.
	Groups []string
	// NotOnOrAfter is when the assertion ends.
	NotOnOrAfter time.Time
}

func claimsOf(issuer, audience string, subject Subject, now time.Time) Claims {
	groups := subject.Groups
	if groups == nil {
		groups = []string{}
	}
	return Claims{
		Claims: jwt.Claims{
			Issuer:    issuer,
			Subject:   subject.Name + "@" + subject.Domain,
			Audience:  jwt.Audience{audience},
			IssuedAt:  jwt.NewNumericDate(now),
			NotBefore: jwt.NewNumericDate(now),
			Expiry:    jwt.NewNumericDate(now.Add(TokenLife)),
			ID:        uuid.NewString(),
		},
		Domain:     subject.Domain,
		GroupNames: groups,
	}
}

// sign makes the compact form (RFC 7515), with the id of the key in its header.
func sign(claims Claims, id string, key *ecdsa.PrivateKey) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("signing key %s: %w", id, err)
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

func thumbprint(key *ecdsa.PrivateKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
