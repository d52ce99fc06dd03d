package apiserver

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	"sigs.k8s.io/yaml"

	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/pki"
)

var tokens = Tokens{
	Issuer: "https://10.77.0.9/openidconnect", Audience: "domain-c1",
	Discovery: func(state string) string {
		return "https://10.77.0.2/openidconnect/" + state + "/.well-known/openid-configuration"
	},
}

func TestAuthentication(t *testing.T) {
	for golden, tokens := range map[string]Tokens{"certificates.yaml": {}, "tokens.yaml": tokens} {
		got, err := yaml.Marshal(Authentication(tokens, ""))
		if err != nil {
			t.Fatal(err)
		}
		golden = filepath.Join("testdata", golden)
		if *update {
			if err := os.WriteFile(golden, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", golden, got, want)
		}
	}
}

// TestUpstreamTakesTheFile decodes and checks the file as the kube-apiserver does.
func TestUpstreamTakesTheFile(t *testing.T) {
	c := config
	c.Layout = pki.Layout{DataDir: t.TempDir()}
	c.Tokens = tokens
	if _, err := hostpki.LoadOrCreateCA(c.Layout.Cert(pki.CA), c.Layout.Key(pki.CA), "supervisor"); err != nil {
		t.Fatal(err)
	}
	if err := c.writeAuthentication(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(c.authenticationFile())
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	install.Install(scheme)
	decoded, err := runtime.Decode(serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder(), data)
	if err != nil {
		t.Fatal(err)
	}
	configuration := decoded.(*apiserver.AuthenticationConfiguration)
	if errs := validation.ValidateAuthenticationConfiguration(authenticationcel.NewDefaultCompiler(), configuration, []string{issuer}); len(errs) > 0 {
		t.Error(errs.ToAggregate())
	}
	if len(configuration.JWT) != 1 || configuration.JWT[0].Issuer.CertificateAuthority == "" {
		t.Errorf("got %+v", configuration.JWT)
	}
	before, err := os.Stat(c.authenticationFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.writeAuthentication(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(c.authenticationFile()); err != nil || !os.SameFile(before, after) {
		t.Error("the file was written again without need")
	}
}

func TestTheFileChangesWithTheKeys(t *testing.T) {
	tokens := tokens
	tokens.KeysFile = filepath.Join(t.TempDir(), "jwks.json")
	seen := map[string]bool{}
	for _, keys := range []string{`{"keys":[1]}`, `{"keys":[1,2]}`, `{"keys":[2]}`} {
		seen[tokens.discovery()] = true
		if err := os.WriteFile(tokens.KeysFile, []byte(keys), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seen[tokens.discovery()] = true
	if len(seen) != 4 {
		t.Errorf("got %v", seen)
	}
}
