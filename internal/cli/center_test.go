package cli

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pacific/internal/center/audit"
	"pacific/internal/center/rest"
	"pacific/internal/center/sso"
	"pacific/internal/center/sso/ssotest"
	"pacific/internal/center/store/storetest"
)

// center is a real single sign-on behind TLS; the environment says where it is.
func center(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	config := ssotest.Config(t, dir)
	service, err := sso.New(t.Context(), storetest.New(t), config)
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(filepath.Join(dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	server := httptest.NewTLSServer(rest.NewServer(service, log, service.Routes()))
	t.Cleanup(server.Close)
	ca := filepath.Join(dir, "server.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PACIFIC_CENTER_URL", server.URL)
	t.Setenv("PACIFIC_CENTER_USERNAME", "administrator@pacific.local")
	t.Setenv("PACIFIC_CENTER_PASSWORD_FILE", config.AdministratorPasswordFile)
	t.Setenv("PACIFIC_CENTER_CA", ca)
}

func run(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := Command()
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := run(t, stdin, args...)
	if err != nil {
		t.Fatalf("pacific %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func TestUsersGroupsAndPermissions(t *testing.T) {
	center(t)
	if out := must(t, "Correct-Horse-1\n", "center", "user", "create", "dev1", "--given-name", "Dev", "--new-password-file", "-"); out != "dev1@pacific.local\n" {
		t.Errorf("create: %q", out)
	}
	must(t, "", "center", "group", "create", "developers", "--description", "who builds it")
	must(t, "", "center", "group", "create", "all")
	must(t, "", "center", "group", "add", "developers", "dev1@pacific.local")
	must(t, "", "center", "group", "add", "all", "group:developers")
	must(t, "", "center", "permission", "set", "group:all", "ReadOnly")
	var users []centerUser
	if err := json.Unmarshal([]byte(must(t, "", "center", "user", "ls", "-o", "json")), &users); err != nil || len(users) != 2 || len(users[1].Groups) != 3 {
		t.Errorf("%+v, %v", users, err)
	}
	for _, want := range []string{"SUBJECT", "group:all@pacific.local", "group:Administrators@pacific.local", "ReadOnly"} {
		if out := must(t, "", "center", "permission", "ls"); !strings.Contains(out, want) {
			t.Errorf("permissions lack %q:\n%s", want, out)
		}
	}
	if out := must(t, "", "center", "group", "ls"); !strings.Contains(out, "dev1@pacific.local") || !strings.Contains(out, "who builds it") {
		t.Errorf("groups:\n%s", out)
	}
	asDev := []string{"--username", "dev1@pacific.local", "--password-file", "-"}
	must(t, "Correct-Horse-1", append([]string{"center", "user", "ls"}, asDev...)...)
	if _, err := run(t, "Correct-Horse-1", append([]string{"center", "group", "create", "x"}, asDev...)...); err == nil || !strings.Contains(err.Error(), "Administrator") {
		t.Errorf("read-only: %v", err)
	}
	must(t, "", "center", "permission", "delete", "group:all")
	must(t, "Other-Horse-2\n", "center", "user", "password", "dev1", "--new-password-file", "-")
	must(t, "", "center", "user", "disable", "dev1")
	if out := must(t, "", "center", "user", "ls"); !strings.Contains(out, "disabled") {
		t.Errorf("users:\n%s", out)
	}
	must(t, "", "center", "user", "enable", "dev1")
	must(t, "", "center", "user", "unlock", "dev1")
	must(t, "", "center", "group", "remove", "developers", "dev1")
	must(t, "", "center", "group", "delete", "developers", "all")
	must(t, "", "center", "user", "delete", "dev1")
	if out := must(t, "", "center", "policy", "min_length=12"); !strings.Contains(out, "min_length") {
		t.Errorf("policy: %q", out)
	}
}

func TestErrorsOfCenterAreShown(t *testing.T) {
	center(t)
	for want, args := range map[string][]string{
		"user nobody@pacific.local": {"center", "user", "delete", "nobody"},
		"NAME=NUMBER":               {"center", "policy", "min_length"},
		"has no role":               {"center", "permission", "delete", "nobody"},
		"is no role":                {"center", "permission", "set", "administrator", "Root"},
		"no such file":              {"center", "user", "ls", "--password-file", "/nonexistent"},
		"wrong":                     {"center", "user", "ls", "--password-file", "-"},
	} {
		if _, err := run(t, "Not-It-1", args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v; want %q", args, err, want)
		}
	}
	t.Setenv("PACIFIC_CENTER_USERNAME", "")
	if _, err := run(t, "", "center", "user", "ls"); err == nil || !strings.Contains(err.Error(), "--username") {
		t.Errorf("without a name: %v", err)
	}
}
