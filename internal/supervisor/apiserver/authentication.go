package apiserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"github.com/google/renameio/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"pacific/internal/supervisor/pki"
)

// SubjectPrefix stands before every user and group that center vouches for.
const SubjectPrefix = "sso:"

// authenticationInterval is how often it is looked whether the file is still what it should be. The kube-apiserver reads it
// again by itself.
const authenticationInterval = 10 * time.Second

// Tokens are those that the kube-apiserver trusts besides certificates and service accounts.
type Tokens struct {
	// Issuer stands in the tokens as iss, Audience as aud.
	Issuer, Audience string
	// Discovery is the URL of the issuer's OpenID Connect document, for a state of its keys. It is the Supervisor's own copy, so
	// tokens can be verified while the issuer is away.
	Discovery func(state string) string
	// KeysFile is that copy. The kube-apiserver remembers keys until it meets one that it does not know; when the file changes
	// it is made to forget them, or a key that the issuer has withdrawn would go on to count.
	KeysFile string
}

// discovery is the URL of now.
func (t Tokens) discovery() string {
	data, _ := os.ReadFile(t.KeysFile) // none yet is a state too
	sum := sha256.Sum256(data)
	return t.Discovery(hex.EncodeToString(sum[:8]))
}

// maxTokenLife is that of the original; a token that counts longer was not made by center.
const maxTokenLife = 10 * time.Hour

// Authentication is the configuration, in which nobody may do anything without a name but see whether the server lives.
// authorities are the PEM certificates of who serves the discovery.
func Authentication(tokens Tokens, authorities string) apiserverv1.AuthenticationConfiguration {
	configuration := apiserverv1.AuthenticationConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: "apiserver.config.k8s.io/v1", Kind: "AuthenticationConfiguration"},
		Anonymous: &apiserverv1.AnonymousAuthConfig{
			Enabled:    true,
			Conditions: []apiserverv1.AnonymousAuthCondition{{Path: "/livez"}, {Path: "/readyz"}, {Path: "/healthz"}},
		},
	}
	if tokens.Issuer != "" {
		configuration.JWT = []apiserverv1.JWTAuthenticator{authenticator(tokens, authorities)}
	}
	return configuration
}

func authenticator(tokens Tokens, authorities string) apiserverv1.JWTAuthenticator {
	discovery := tokens.discovery()
	return apiserverv1.JWTAuthenticator{
		Issuer: apiserverv1.Issuer{
			URL: tokens.Issuer, DiscoveryURL: &discovery, CertificateAuthority: authorities,
			Audiences: []string{tokens.Audience},
		},
		ClaimValidationRules: []apiserverv1.ClaimValidationRule{
			{
				Expression: fmt.Sprintf("claims.exp - claims.iat <= %d", int(maxTokenLife.Seconds())),
				Message:    fmt.Sprintf("the token counts for more than %d hours", int(maxTokenLife.Hours())),
			},
			{
				Expression: "claims.sub.endsWith('@' + claims.domain)",
				Message:    "the subject is not of the token's domain",
			},
		},
		ClaimMappings: apiserverv1.ClaimMappings{
			Username: apiserverv1.PrefixedClaimOrExpression{Expression: "'" + SubjectPrefix + "' + claims.sub"},
			Groups:   apiserverv1.PrefixedClaimOrExpression{Claim: "group_names", Prefix: ptr.To(SubjectPrefix)},
		},
	}
}

// keepAuthentication writes the file again when it should be another.
func (s *Server) keepAuthentication(ctx context.Context) {
	wait.UntilWithContext(ctx, func(context.Context) {
		if err := s.config.writeAuthentication(); err != nil {
			klog.ErrorS(err, "Cannot write the kube-apiserver's authentication; will try again", "after", authenticationInterval)
		}
	}, authenticationInterval)
}

func (c Config) writeAuthentication() error {
	var authorities []byte
	if c.Tokens.Issuer != "" {
		var err error
		if authorities, err = os.ReadFile(c.Layout.Cert(pki.CA)); err != nil {
			return fmt.Errorf("read certificate authority: %w", err)
		}
	}
	want, err := yaml.Marshal(Authentication(c.Tokens, string(authorities)))
	if err != nil {
		return err
	}
	file := c.authenticationFile()
	if have, err := os.ReadFile(file); err == nil && bytes.Equal(have, want) {
		return nil
	}
	return renameio.WriteFile(file, want, 0o600, renameio.IgnoreUmask())
}
