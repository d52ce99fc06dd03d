package kubectlvsphere

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"pacific/internal/pki"
)

const (
	dev1     = "dev1@pacific.local"
	password = "s3cr3t pässword"
)

// site is a Supervisor's login service on 127.0.0.1, and the machine of a user.
type site struct {
	t         *testing.T
	server    *httptest.Server
	authority []byte
	life      time.Duration
	logins    int
	workloads []workload

	in, out, err bytes.Buffer
	interactive  bool
	environment  map[string]string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, life: 10 * time.Hour, workloads: []workload{{"team-a", "127.0.0.1", 7443}, {"elsewhere", "10.77.9.2", 6443}}, environment: map[string]string{}}
	dir := t.TempDir()
	ca, err := pki.LoadOrCreateCA(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key"), "supervisor")
	if err != nil {
		t.Fatal(err)
	}
	leaf := pki.Leaf{CertFile: filepath.Join(dir, "s.crt"), KeyFile: filepath.Join(dir, "s.key"), CommonName: "s", IPs: localhost, Server: true}
	if _, err := ca.Ensure(leaf); err != nil {
		t.Fatal(err)
	}
	if s.authority, err = os.ReadFile(filepath.Join(dir, "ca.crt")); err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	pair, err := tls.LoadX509KeyPair(leaf.CertFile, leaf.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	s.server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that do not trust it are tested
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "config"))
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/wcp/ca" {
		_, _ = w.Write(s.authority)
		return
	}
	if user, given, _ := r.BasicAuth(); user != dev1 || given != password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /wcp/login":
		s.logins++
		_ = json.NewEncoder(w).Encode(session{Token: s.token()})
	case "GET /wcp/workloads":
		_ = json.NewEncoder(w).Encode(s.workloads)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *site) token() string {
	claims := fmt.Sprintf(`{"exp":%d,"n":%d}`, time.Now().Add(s.life).Unix(), s.logins)
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func (s *site) address() string { return s.server.Listener.Addr().String() }

// run the command as a user does; what he types, or pipes into it, is in s.in.
func (s *site) run(args ...string) error {
	s.out.Reset()
	s.err.Reset()
	t := &terminal{
		in: bufio.NewReader(&s.in), out: &s.out, err: &s.err, interactive: s.interactive,
		getenv: func(name string) string { return s.environment[name] },
	}
	t.hidden = func() ([]byte, error) {
		line, err := t.line()
		return []byte(line), err
	}
	command := newCommand(t)
	command.SetArgs(args)
	return command.ExecuteContext(s.t.Context())
}

func (s *site) login(more ...string) error {
	return s.run(append([]string{"login", "--server", s.address(), "-u", dev1}, more...)...)
}

func (s *site) kubeconfig() *clientcmdapi.Config {
	s.t.Helper()
	config, err := clientcmd.LoadFromFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		s.t.Fatal(err)
	}
	return config
}

func TestLogin(t *testing.T) {
	s := newSite(t)
	s.environment[passwordVariable] = password
	if err := s.login("--ca-sha256", fingerprint(s.authority)); err != nil {
		t.Fatal(err)
	}
	const want = "Logged in successfully.\n\nYou have access to the following contexts:\n   127.0.0.1\n   team-a\n\nIf the context you wish to use is not in this list, you may need to try\nlogging in again later, or contact your cluster administrator.\n\nTo change context, use `kubectl config use-context <workload name>`\n"
	if s.out.String() != want {
		t.Errorf("got %s", &s.out)
	}
	config := s.kubeconfig()
	cluster, user := config.Clusters["127.0.0.1"], config.AuthInfos["wcp:127.0.0.1:"+dev1]
	if cluster.Server != "https://127.0.0.1:7443" || !bytes.Equal(cluster.CertificateAuthorityData, s.authority) || cluster.InsecureSkipTLSVerify {
		t.Errorf("got %+v", cluster)
	}
	if user == nil || user.Token != s.token() || user.Exec != nil {
		t.Errorf("got %+v", user)
	}
	// The authority is known now.
	if err := s.login(); err != nil {
		t.Error(err)
	}
	if err := s.run("logout"); err != nil {
		t.Fatal(err)
	}
	if config := s.kubeconfig(); len(config.AuthInfos)+len(config.Contexts) != 0 || config.CurrentContext != "" || len(config.Clusters) != 1 {
		t.Errorf("after the logout: %+v", config)
	}
}

func TestPasswords(t *testing.T) {
	for name, tc := range map[string]struct {
		interactive bool
		in          string
		environment string
		want        string // part of the error; empty for none
	}{
		"from the environment":           {false, "", password, ""},
		"environment before the prompt":  {true, "wrong\n", password, ""},
		"from standard input":            {false, password + "\nmore\n", "", ""},
		"from standard input of Windows": {false, password + "\r\n", "", ""},
		"without a line break":           {false, password, "", ""},
		"typed":                          {true, password + "\n", "", ""},
		"a wrong one":                    {false, "wrong\n", "", "invalid credentials"},
		"none":                           {false, "", "", "there is no password"},
		"none typed":                     {true, "\n", "", "there is no password"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.interactive, s.environment[passwordVariable] = tc.interactive, tc.environment
			s.in.WriteString(tc.in)
			err := s.login("--insecure-skip-tls-verify", "-v", "10")
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if shown := s.out.String() + s.err.String(); strings.Contains(shown, password) || strings.Contains(shown, s.token()) {
				t.Errorf("a secret is shown: %s", shown)
			}
		})
	}
}

func TestTrust(t *testing.T) {
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, s.authority, 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.crt")
	if _, err := pki.LoadOrCreateCA(other, other+".key", "other"); err != nil {
		t.Fatal(err)
	}
	good := fingerprint(s.authority)
	for name, tc := range map[string]struct {
		args   []string
		answer string // typed before the password, if there is a terminal
		want   string // part of the error; empty for none
	}{
		"nobody can be asked":       {nil, "", "--ca-sha256"},
		"the user compares":         {nil, "y\n", ""},
		"the user sees another":     {nil, "n\n", "not trusted"},
		"the user just hits return": {nil, "\n", "not trusted"},
		"a file":                    {[]string{"--certificate-authority", file}, "", ""},
		"another authority's file":  {[]string{"--certificate-authority", other}, "", "delete-cluster 127.0.0.1"},
		"no file":                   {[]string{"--certificate-authority", file + "x"}, "", "no such file"},
		"the fingerprint":           {[]string{"--ca-sha256", good}, "", ""},
		"as openssl writes it":      {[]string{"--ca-sha256", "SHA256:" + strings.ToUpper(good[:2]+":"+good[2:])}, "", ""},
		"another fingerprint":       {[]string{"--ca-sha256", strings.Repeat("ab", 32)}, "", "another certificate authority"},
		"half a fingerprint":        {[]string{"--ca-sha256", good[:32]}, "", "64 hexadecimal digits"},
		"no verification":           {[]string{"--insecure-skip-tls-verify"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "config"))
			s.logins, s.interactive = 0, tc.answer != ""
			s.in.Reset()
			s.in.WriteString(tc.answer + password + "\n")
			err := s.login(tc.args...)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if tc.want != "" && s.logins > 0 {
				t.Error("the password was given to a server that is not trusted")
			}
			if tc.answer != "" && !strings.Contains(s.err.String(), good) {
				t.Errorf("the fingerprint is not shown: %s", &s.err)
			}
		})
	}
}

// A server that lies about its authority is found out by its own certificate.
func TestAnAuthorityThatDidNotSign(t *testing.T) {
	s := newSite(t)
	other := filepath.Join(t.TempDir(), "other.crt")
	if _, err := pki.LoadOrCreateCA(other, other+".key", "other"); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.authority, err = os.ReadFile(other); err != nil {
		t.Fatal(err)
	}
	s.environment[passwordVariable] = password
	if err := s.login("--ca-sha256", fingerprint(s.authority)); err == nil || s.logins > 0 {
		t.Errorf("got %v after %d logins", err, s.logins)
	}
	s.authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.TLS.Certificates[0].Certificate[0]})
	if err := s.login("--ca-sha256", fingerprint(s.authority)); err == nil || !strings.Contains(err.Error(), "is none") {
		t.Errorf("a leaf as authority: %v", err)
	}
}

func TestGuestClusterThatIsNotThere(t *testing.T) {
	s := newSite(t)
	s.environment[passwordVariable] = password
	err := s.login("--insecure-skip-tls-verify", "--tanzu-kubernetes-cluster-name", "c1")
	if err == nil || !strings.Contains(err.Error(), "no guest cluster c1") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(os.Getenv("KUBECONFIG")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a failed login wrote the kubeconfig")
	}
}

func TestCredentialPlugin(t *testing.T) {
	s := newSite(t)
	s.environment[passwordVariable] = password
	if err := s.login("--ca-sha256", fingerprint(s.authority), "--credential-plugin"); err != nil {
		t.Fatal(err)
	}
	user := s.kubeconfig().AuthInfos["wcp:127.0.0.1:"+dev1]
	if user.Token != "" || user.Exec == nil || user.Exec.Command != "kubectl-vsphere" {
		t.Fatalf("got %+v", user)
	}
	ask := func(interactive bool) (string, error) {
		info := map[string]any{
			"apiVersion": execVersion, "kind": "ExecCredential",
			"spec": map[string]any{"interactive": interactive, "cluster": map[string]any{"server": "https://127.0.0.1:7443", "certificate-authority-data": s.authority}},
		}
		data, err := json.Marshal(info)
		if err != nil {
			t.Fatal(err)
		}
		s.environment[execVariable], s.interactive = string(data), interactive
		if err := s.run(user.Exec.Args...); err != nil {
			return "", err
		}
		var credential struct {
			Status struct {
				Token               string    `json:"token"`
				ExpirationTimestamp time.Time `json:"expirationTimestamp"`
			} `json:"status"`
		}
		if err := json.Unmarshal(s.out.Bytes(), &credential); err != nil || !credential.Status.ExpirationTimestamp.After(time.Now()) {
			t.Fatalf("got %s: %v", &s.out, err)
		}
		return credential.Status.Token, nil
	}
	first, err := ask(false)
	if err != nil || s.logins != 1 {
		t.Fatalf("the kept token: %v after %d logins", err, s.logins)
	}
	files, err := filepath.Glob(os.Getenv("XDG_CACHE_HOME") + "/kubectl-vsphere/*")
	if err != nil || len(files) != 1 {
		t.Fatalf("got %v, %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	// A token that runs out in a minute is renewed.
	s.life = time.Minute
	if err := os.WriteFile(files[0], []byte(`{"token":"`+s.token()+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.life = 10 * time.Hour
	second, err := ask(false)
	if err != nil || second == first || s.logins != 2 {
		t.Fatalf("renewal by the environment: %v after %d logins", err, s.logins)
	}
	if err := os.WriteFile(files[0], []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	delete(s.environment, passwordVariable)
	if _, err := ask(false); err == nil || !strings.Contains(err.Error(), passwordVariable) {
		t.Errorf("renewal without anybody to ask: %v", err)
	}
	s.in.WriteString(password + "\n")
	if _, err := ask(true); err != nil || s.logins != 3 {
		t.Errorf("renewal by a question: %v after %d logins", err, s.logins)
	}
	if err := s.run("logout"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(files[0]); !errors.Is(err, os.ErrNotExist) {
		t.Error("the token is still there after the logout")
	}
}
