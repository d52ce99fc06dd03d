package sso_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pacific/internal/center/audit"
	"pacific/internal/center/rest"
	"pacific/internal/center/sso"
	"pacific/internal/center/sso/password"
	"pacific/internal/center/sso/ssotest"
	"pacific/internal/center/store"
	"pacific/internal/center/store/storetest"
)

const (
	good            = "Correct-Horse-1"
	usersPath       = "/api/pacific/sso/users"
	groupsPath      = "/api/pacific/sso/groups"
	permissionsPath = "/api/pacific/sso/permissions"
	policyPath      = "/api/pacific/sso/policy"
)

// fixture is single sign-on behind the real server of the API, with a real store and a real audit log.
type fixture struct {
	*sso.Service
	t       *testing.T
	records *store.Store
	handler http.Handler
	dir     string
	now     time.Time
	admin   string // session
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, records: storetest.New(t), dir: t.TempDir(), now: time.Now()}
	f.start()
	f.admin = f.login("administrator@pacific.local", f.administratorPassword())
	return f
}

// start it, or start it again on the same state.
func (f *fixture) start() {
	f.t.Helper()
	log, err := audit.Open(filepath.Join(f.dir, "audit.log"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = log.Close() })
	config := ssotest.Config(f.t, f.dir)
	config.Directory.Now = func() time.Time { return f.now }
	f.Service, err = sso.New(f.t.Context(), f.records, config)
	if err != nil {
		f.t.Fatal(err)
	}
	f.handler = rest.NewServer(f.Service, log, f.Routes())
}

func (f *fixture) administratorPassword() string {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, "administrator.password"))
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// call the API; authorization is a session, or a whole header when it has a blank.
func (f *fixture) call(authorization, method, path, body string) (int, string) {
	f.t.Helper()
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	switch {
	case strings.Contains(authorization, " "):
		request.Header.Set("Authorization", authorization)
	case authorization != "":
		request.Header.Set(sso.SessionHeader, authorization)
	}
	return f.do(request)
}

func (f *fixture) do(request *http.Request) (int, string) {
	recorder := httptest.NewRecorder()
	f.handler.ServeHTTP(recorder, request)
	data, _ := io.ReadAll(recorder.Body)
	return recorder.Code, strings.TrimSpace(string(data))
}

func basic(user, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

func (f *fixture) login(user, password string) string {
	f.t.Helper()
	code, body := f.call(basic(user, password), "POST", "/api/session", "")
	var id string
	if err := json.Unmarshal([]byte(body), &id); err != nil || code != http.StatusCreated || len(id) != 32 {
		f.t.Fatalf("sign in %s: %d %s, %v", user, code, body, err)
	}
	return id
}

func (f *fixture) must(method, path, body string, into any) {
	f.t.Helper()
	code, answer := f.call(f.admin, method, path, body)
	if code/100 != 2 {
		f.t.Fatalf("%s %s %s: %d %s", method, path, body, code, answer)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(answer), into); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fixture) user(name string) string {
	f.t.Helper()
	f.must("POST", usersPath, `{"name":"`+name+`","password":"`+good+`"}`, nil)
	return f.login(name+"@pacific.local", good)
}

func (f *fixture) expect(what string, want int, authorization, method, path, body string) string {
	f.t.Helper()
	code, answer := f.call(authorization, method, path, body)
	if code != want {
		f.t.Errorf("%s: %s %s: got %d %s, want %d", what, method, path, code, answer, want)
	}
	return answer
}

func TestSessions(t *testing.T) {
	f := newFixture(t)
	f.must("GET", "/api/session", "", nil)
	f.start()
	f.must("GET", "/api/session", "", nil) // a restart of center ends none
	_, answer := f.call(f.admin, "GET", "/api/session", "")
	if !strings.Contains(answer, `"user":"administrator@pacific.local"`) || !strings.Contains(answer, "last_accessed_time") {
		t.Errorf("got %s", answer)
	}
	f.expect("signed out", http.StatusNoContent, f.admin, "DELETE", "/api/session", "")
	f.expect("after that", http.StatusUnauthorized, f.admin, "GET", "/api/session", "")
	f.expect("no session", http.StatusUnauthorized, "", "GET", "/api/session", "")
	f.expect("made up", http.StatusUnauthorized, strings.Repeat("0", 32), "GET", "/api/session", "")
	f.admin = f.login(`PACIFIC.LOCAL\Administrator`, f.administratorPassword())
	f.now = f.now.Add(31 * time.Minute)
	f.expect("idle", http.StatusUnauthorized, f.admin, "GET", "/api/session", "")
	for _, header := range []string{"", "Basic !!!", "Digest x", basic("administrator", "wrong"), basic("administrator@other.local", f.administratorPassword()), basic("", "")} {
		body := f.expect(header, http.StatusUnauthorized, header, "POST", "/api/session", "")
		if !strings.Contains(body, `"error_type":"UNAUTHENTICATED"`) {
			t.Errorf("%q: %s", header, body)
		}
	}
}

func TestSessionsOfTheOldPath(t *testing.T) {
	f := newFixture(t)
	const path = "/rest/com/vmware/cis/session"
	code, body := f.call(basic("administrator@pacific.local", f.administratorPassword()), "POST", path, "")
	var wrapped struct{ Value string }
	if err := json.Unmarshal([]byte(body), &wrapped); err != nil || code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	info := f.expect("get", http.StatusOK, wrapped.Value, "POST", path+"?~action=get", "")
	if !strings.HasPrefix(info, `{"value":{"user":"administrator@pacific.local"`) {
		t.Errorf("got %s", info)
	}
	f.expect("signed out", http.StatusOK, wrapped.Value, "DELETE", path, "")
	f.expect("after that", http.StatusUnauthorized, wrapped.Value, "POST", path+"?~action=get", "")
}

func TestRolesDecideWhatOneMayDo(t *testing.T) {
	f := newFixture(t)
	dev := f.user("dev1")
	f.expect("no role", http.StatusForbidden, dev, "GET", usersPath, "")
	f.expect("oneself", http.StatusOK, dev, "GET", "/api/pacific/sso/self", "")
	f.must("POST", permissionsPath, `{"type":"USER","name":"dev1","domain":"","role":"ReadOnly"}`, nil)
	f.expect("read-only reads, in the session that was there", http.StatusOK, dev, "GET", usersPath, "")
	f.expect("read-only writes", http.StatusForbidden, dev, "POST", usersPath, `{"name":"x","password":"`+good+`"}`)
	f.must("POST", groupsPath+"/administrators?action=add", `{"members":[{"name":"dev1"}]}`, nil)
	f.expect("administrator writes", http.StatusCreated, dev, "POST", usersPath, `{"name":"x","password":"`+good+`"}`)
	f.must("POST", groupsPath+"/Administrators?action=remove", `{"members":[{"type":"USER","name":"dev1","domain":"pacific.local"}]}`, nil)
	f.must("DELETE", permissionsPath+"/USER/pacific.local/dev1", "", nil)
	f.expect("nothing left", http.StatusForbidden, dev, "GET", usersPath, "")
}

func TestSessionsEndWithTheUser(t *testing.T) {
	f := newFixture(t)
	dev := f.user("dev1")
	f.must("POST", usersPath+"/dev1?action=set-password", `{"password":"Other-Horse-2"}`, nil)
	f.expect("new password", http.StatusUnauthorized, dev, "GET", "/api/session", "")
	dev = f.login("dev1", "Other-Horse-2")
	f.must("PATCH", usersPath+"/dev1", `{"disabled":true}`, nil)
	f.expect("disabled", http.StatusUnauthorized, dev, "GET", "/api/session", "")
	f.must("PATCH", usersPath+"/dev1", `{"disabled":false}`, nil)
	dev = f.login("dev1", "Other-Horse-2")
	f.must("DELETE", usersPath+"/dev1@pacific.local", "", nil)
	f.user("dev1")
	f.expect("a namesake", http.StatusUnauthorized, dev, "GET", "/api/session", "")
}

func TestALockedUserIsShownAndUnlocked(t *testing.T) {
	f := newFixture(t)
	f.user("dev1")
	for range 5 {
		f.expect("wrong", http.StatusUnauthorized, basic("dev1", "wrong"), "POST", "/api/session", "")
	}
	locked := f.expect("locked", http.StatusUnauthorized, basic("dev1", good), "POST", "/api/session", "")
	unknown := f.expect("unknown", http.StatusUnauthorized, basic("dev9", good), "POST", "/api/session", "")
	if locked != unknown {
		t.Errorf("a locked user is told from an unknown one: %s, %s", locked, unknown)
	}
	var user sso.User
	if f.must("GET", usersPath+"/dev1", "", &user); !user.Locked || user.LockedUntil == nil {
		t.Errorf("got %+v", user)
	}
	f.must("POST", usersPath+"/dev1?action=unlock", "", nil)
	f.login("dev1", good)
}

func TestUsersChangeTheirPassword(t *testing.T) {
	f := newFixture(t)
	f.user("dev1")
	const path = "/api/pacific/sso/self?action=change-password"
	f.expect("wrong", http.StatusUnauthorized, basic("dev1", "wrong"), "POST", path, `{"password":"Other-Horse-2"}`)
	f.expect("weak", http.StatusBadRequest, basic("dev1", good), "POST", path, `{"password":"x"}`)
	f.expect("changed", http.StatusNoContent, basic("dev1@pacific.local", good), "POST", path, `{"password":"Other-Horse-2"}`)
	f.login("dev1", "Other-Horse-2")
}

func TestAnAddressThatFailsTooOftenIsPutOff(t *testing.T) {
	f := newFixture(t)
	for range 60 {
		f.expect("wrong", http.StatusUnauthorized, basic("nobody", "wrong"), "POST", "/api/session", "")
	}
	f.expect("too many", http.StatusServiceUnavailable, basic("administrator", f.administratorPassword()), "POST", "/api/session", "")
	f.expect("sessions go on", http.StatusOK, f.admin, "GET", "/api/session", "")
	f.now = f.now.Add(time.Minute)
	f.login("administrator", f.administratorPassword())
}

func TestBadBodies(t *testing.T) {
	f := newFixture(t)
	f.user("dev1")
	for _, test := range []struct{ method, path, body, kind string }{
		{"POST", usersPath, `{"name":"dev1","password":"` + good + `"}`, "ALREADY_EXISTS"},
		{"POST", usersPath, `{"name":"a b","password":"` + good + `"}`, "INVALID_ARGUMENT"},
		{"POST", usersPath, `{"name":"x"}`, "INVALID_ARGUMENT"},
		{"POST", usersPath, `{"name":"x","password":"weak"}`, "INVALID_ARGUMENT"},
		{"POST", usersPath, `{"name":"x","passwort":"` + good + `"}`, "INVALID_ARGUMENT"},
		{"POST", usersPath, `{"name":7}`, "INVALID_ARGUMENT"},
		{"POST", usersPath, ``, "INVALID_ARGUMENT"},
		{"POST", usersPath, `{"name":"svc","certificate":"x"}`, "INVALID_ARGUMENT"},
		{"PATCH", usersPath + "/dev1", `{"email":"a\nb"}`, "INVALID_ARGUMENT"},
		{"PATCH", usersPath + "/nobody", `{"email":"a"}`, "NOT_FOUND"},
		{"DELETE", usersPath + "/administrator", ``, "NOT_ALLOWED_IN_CURRENT_STATE"},
		{"DELETE", usersPath + "/dev1@other.local", ``, "NOT_FOUND"},
		{"POST", usersPath + "/dev1?action=promote", `{}`, "INVALID_ARGUMENT"},
		{"POST", groupsPath, `{"name":"Administrators"}`, "ALREADY_EXISTS"},
		{"POST", groupsPath, `{"name":"Everyone"}`, "NOT_ALLOWED_IN_CURRENT_STATE"},
		{"POST", groupsPath + "/Administrators?action=add", `{"members":[]}`, "INVALID_ARGUMENT"},
		{"POST", groupsPath + "/Administrators?action=add", `{"members":[{"name":"nobody"}]}`, "NOT_FOUND"},
		{"POST", groupsPath + "/Administrators?action=add", `{"members":[{"name":"x","domain":"other.local"}]}`, "INVALID_ARGUMENT"},
		{"POST", permissionsPath, `{"type":"USER","name":"dev1","role":"Root"}`, "INVALID_ARGUMENT"},
		{"POST", permissionsPath, `{"type":"GROUP","name":"Administrators","role":"ReadOnly"}`, "NOT_ALLOWED_IN_CURRENT_STATE"},
		{"DELETE", permissionsPath + "/USER/pacific.local/dev1", ``, "NOT_FOUND"},
		{"PATCH", policyPath, `{"min_length":-1}`, "INVALID_ARGUMENT"},
		{"PATCH", policyPath, `{"min_length":1e99}`, "INVALID_ARGUMENT"},
	} {
		_, answer := f.call(f.admin, test.method, test.path, test.body)
		if !strings.Contains(answer, `"error_type":"`+test.kind+`"`) {
			t.Errorf("%s %s %s: got %s, want %s", test.method, test.path, test.body, answer, test.kind)
		}
	}
	var p password.Policy
	if f.must("PATCH", policyPath, `{"min_length":12}`, &p); p.MinLength != 12 || p.MaxFailedAttempts != 5 {
		t.Errorf("got %+v", p)
	}
}

func TestTheFirstPasswordIsForItsReaderOnly(t *testing.T) {
	f := newFixture(t)
	info, err := os.Stat(filepath.Join(f.dir, "administrator.password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	var terminal bytes.Buffer
	config := ssotest.Config(t, t.TempDir())
	config.AdministratorPasswordFile, config.Terminal = "", &terminal
	if _, err := sso.New(t.Context(), storetest.New(t), config); err != nil || !strings.Contains(terminal.String(), "administrator@pacific.local") {
		t.Errorf("%q, %v", terminal.String(), err)
	}
}

func TestNothingSecretInTheAuditLog(t *testing.T) {
	f := newFixture(t)
	dev := f.user("dev1")
	f.expect("wrong", http.StatusUnauthorized, basic("dev1", "My-Secret-Typo-9"), "POST", "/api/session", "")
	f.expect("name is a secret", http.StatusUnauthorized, basic("My-Secret-Typo-9", "x"), "POST", "/api/session", "")
	f.must("POST", usersPath+"/dev1?action=set-password", `{"password":"Other-Horse-2"}`, nil)
	f.expect("weak", http.StatusBadRequest, f.admin, "POST", usersPath+"/dev1?action=set-password", `{"password":"weakling"}`)
	log, err := os.ReadFile(filepath.Join(f.dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{good, "Other-Horse-2", "weakling", "My-Secret-Typo-9", dev, f.admin, f.administratorPassword(), "argon2id"} {
		if bytes.Contains(log, []byte(secret)) {
			t.Errorf("the audit log has %q", secret)
		}
	}
	for _, wanted := range []string{`"administrator@pacific.local"`, `"dev1@pacific.local"`, "set-password"} {
		if !bytes.Contains(log, []byte(wanted)) {
			t.Errorf("the audit log lacks %s:\n%s", wanted, log)
		}
	}
}
