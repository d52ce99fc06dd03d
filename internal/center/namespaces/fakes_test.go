package namespaces

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	clientrest "k8s.io/client-go/rest"

	"pacific/internal/center/audit"
	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/store/storetest"
)

// world of Supervisors, policies and people.
type world struct {
	mu          sync.Mutex
	supervisors map[string]Supervisor
	configs     map[string]*clientrest.Config
	signals     chan struct{}
}

func newWorld() *world {
	return &world{
		supervisors: map[string]Supervisor{
			"domain-c1": {Cluster: "domain-c1", Name: "cluster-1", Status: "RUNNING", Host: "10.77.0.2", Port: 6443, MHzPerCore: 2000},
			"domain-c2": {Cluster: "domain-c2", Name: "cluster-2", Status: "CONFIGURING"},
		},
		configs: map[string]*clientrest.Config{},
		signals: make(chan struct{}, 1),
	}
}

func (w *world) drop(cluster string) {
	w.mu.Lock()
	delete(w.supervisors, cluster)
	w.mu.Unlock()
	w.signal()
}

func (w *world) signal() {
	select {
	case w.signals <- struct{}{}:
	default:
	}
}

func (w *world) Get(_ context.Context, id string) (Supervisor, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.supervisors[id]
	if !ok {
		return s, fmt.Errorf("supervisor %s: %w", id, store.ErrNotFound)
	}
	return s, nil
}

func (w *world) List(context.Context) (list []Supervisor, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.supervisors {
		list = append(list, s)
	}
	return list, nil
}

func (w *world) RESTConfig(_ context.Context, cluster string) (*clientrest.Config, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.configs[cluster]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no credentials for %s", cluster)
}

func (w *world) Watch(context.Context) <-chan struct{} {
	w.signal()
	return w.signals
}

func (*world) StorageClass(_ context.Context, policy string) (string, error) {
	if strings.HasPrefix(policy, "policy-") {
		return "class-" + policy[len("policy-"):], nil
	}
	return "", store.ErrNotFound
}

func (*world) VMClass(_ context.Context, id string) error {
	if strings.HasPrefix(id, "best-effort-") {
		return nil
	}
	return store.ErrNotFound
}

func (*world) Exists(_ context.Context, _, name, domain string) (bool, error) {
	return domain != "corp.local" || name != "nobody", nil
}

func (*world) Usage(_, namespace string) Usage {
	return Usage{CPU: int64(len(namespace)), Memory: 2, Storage: 3}
}

// api calls a service as a person.
type api struct {
	t       *testing.T
	handler http.Handler
	who     rest.Principal
}

type noAudit struct{}

func (noAudit) Write(audit.Event) error { return nil }

func (a *api) Authenticate(*http.Request) (rest.Principal, error) { return a.who, nil }

func newService(t *testing.T, s *store.Store, w *world) (*Service, *api) {
	t.Helper()
	service := New(Config{Store: s, Supervisors: w, Catalog: w, Identities: w, Meter: w, Administrators: "sso:Administrators@pacific.local"})
	a := &api{t: t, who: rest.Principal{Name: "administrator", Domain: "pacific.local", Administrator: true}}
	a.handler = rest.NewServer(a, noAudit{}, service.Routes())
	return service, a
}

func newAPI(t *testing.T) *api {
	t.Helper()
	_, a := newService(t, storetest.New(t), newWorld())
	return a
}

// do calls and returns the status and the body.
func (a *api) do(method, path, body string) (int, string) {
	a.t.Helper()
	recorder := httptest.NewRecorder()
	a.handler.ServeHTTP(recorder, httptest.NewRequest(method, path, strings.NewReader(body)))
	return recorder.Code, recorder.Body.String()
}

// want calls and fails unless the status is as it should be and the body has a text.
func (a *api) want(code int, text, method, path, body string) {
	a.t.Helper()
	got, answer := a.do(method, path, body)
	if got != code || !strings.Contains(answer, text) {
		a.t.Errorf("%s %s %s: got %d %s, want %d %q", method, path, body, got, answer, code, text)
	}
}

func (a *api) get(path string) map[string]any {
	a.t.Helper()
	code, answer := a.do("GET", path, "")
	if code != 200 {
		a.t.Fatalf("GET %s: %d %s", path, code, answer)
	}
	var value map[string]any
	if err := json.Unmarshal([]byte(answer), &value); err != nil {
		a.t.Fatal(err)
	}
	return value
}
