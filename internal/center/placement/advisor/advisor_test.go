package advisor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pacific/internal/center/audit"
	"pacific/internal/center/placement"
	"pacific/internal/center/rest"
	"pacific/internal/center/store/storetest"
	"pacific/internal/center/vapi"
)

// site is an inventory that tests write.
type site placement.Inventory

func (s *site) Inventory(_ context.Context, cluster string) (placement.Inventory, error) {
	if cluster != "" && cluster != "domain-c1" {
		return placement.Inventory{}, vapi.NotFound("cluster", "there is no cluster %s", cluster)
	}
	return placement.Inventory(*s), nil
}

type anybody struct{}

func (anybody) Authenticate(*http.Request) (rest.Principal, error) {
	return rest.Principal{Name: "r", Domain: "d", ReadOnly: true}, nil
}

type noAudit struct{ t *testing.T }

func (n noAudit) Write(e audit.Event) error {
	n.t.Errorf("a question is in the audit log: %v", e)
	return nil
}

func host(name string) placement.Host {
	return placement.Host{ID: name, Name: name + ".example", State: placement.Connected, CPUs: 4, Capacity: placement.Resources{CPUMHz: 8000, MemoryBytes: 8 << 30}}
}

func member(id, name, on string) placement.Machine {
	return placement.Machine{ID: id, Name: name, Host: on, CPUs: 2, MemoryBytes: 2 << 30, Groups: []string{"cp"}}
}

// ask returns status and answer.
func ask(t *testing.T, a *Advisor, action, body string) (int, string) {
	t.Helper()
	server := rest.NewServer(anybody{}, noAudit{t}, a.Routes())
	w := httptest.NewRecorder()
	server.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path+"?action="+action, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func answer[T any](t *testing.T, a *Advisor, action, body string) T {
	t.Helper()
	var out T
	code, text := ask(t, a, action, body)
	if code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", action, body, code, text)
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestQuestions(t *testing.T) {
	s := &site{Hosts: []placement.Host{host("host-1"), host("host-2")},
		Machines: []placement.Machine{member("vm-1", "cp-1", "host-1")},
		Rules:    []placement.Rule{{Name: "quorum", Kind: placement.MinimumRunning, Group: "cp", Count: 1}}}
	a := New(storetest.New(t), s)

	set := answer[placement.Set](t, a, "explain", `{"cluster":"domain-c1","cpu_count":2,"memory_mib":2048,"anti_affinity":["cp"]}`)
	if !set.Complete || set.Decisions[0].Host != "host-2" || set.Decisions[0].Refusals[0].Reasons[0].Cause != placement.RuleBroken {
		t.Errorf("%s", set.Text())
	}
	set = answer[placement.Set](t, a, "explain", `{"name":"cp","count":3,"cpu_count":2,"memory_mib":2048,"rules":[{"type":"ANTI_AFFINITY","group":"x"}]}`)
	if set.Complete || !strings.Contains(set.Message, "2 are there, 3 needed") {
		t.Errorf("%s", set.Text())
	}
	if e := answer[placement.Evacuation](t, a, "maintenance", `{"host":"host-1.example"}`); !e.Allowed || len(e.Moves) != 1 {
		t.Errorf("%+v", e)
	}
	if e := answer[placement.Evacuation](t, a, "restart", `{"host":"host-1"}`); e.Allowed {
		t.Errorf("%+v", e)
	}
	if b := answer[placement.Balanced](t, a, "balance", `{}`); len(b.Violations) != 0 {
		t.Errorf("%+v", b)
	}
}

func TestDecisionsAreRemembered(t *testing.T) {
	s := &site{Hosts: []placement.Host{host("host-1"), host("host-2")}, Machines: []placement.Machine{member("vm-1", "cp-1", "host-1"), member("vm-2", "cp-2", "host-2")}}
	a := New(storetest.New(t), s)
	if got := answer[placement.Standing](t, a, "explain", `{"vm":"cp-1"}`); got.Record != nil || got.HostName != "host-1.example" {
		t.Errorf("%+v", got)
	}
	for _, to := range []string{"first", "second"} {
		d := placement.Place(placement.Inventory{Hosts: s.Hosts}, s.Machines[0])
		d.Message = to
		if err := a.Remember(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if got := answer[placement.Standing](t, a, "explain", `{"vm":"vm-1"}`); got.Record == nil || got.Record.Decision.Message != "second" || got.Record.At.IsZero() {
		t.Errorf("%+v", got)
	}
	for range 2 {
		if err := a.Forget(t.Context(), "vm-1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := answer[placement.Standing](t, a, "explain", `{"vm":"vm-1"}`); got.Record != nil {
		t.Errorf("%+v", got)
	}
}

func TestBadQuestions(t *testing.T) {
	a := New(storetest.New(t), &site{Machines: []placement.Machine{member("vm-1", "twin", ""), member("vm-2", "twin", "")}})
	for _, test := range []struct {
		action, body, text string
		code               int
	}{
		{"explain", `{}`, "cpu_count is 0", 400},
		{"explain", `{"cpu_count":1,"memory_mib":-1}`, "memory_mib is -1", 400},
		{"explain", `{"cpu_count":1,"memory_mib":10,"memory_reservation_mib":11}`, "memory_reservation_mib is 11; it must be 0 to 10", 400},
		{"explain", `{"cpu_count":1,"memory_mib":10,"count":101}`, "count", 400},
		{"explain", `{"cpu_count":1,"memory_mib":10,"disks":[{}]}`, "disks[0].capacity_mib", 400},
		{"explain", `{"cpu_count":1,"memory_mib":10,"rules":[{"type":"NEAR","group":"g"}]}`, "NEAR", 400},
		{"explain", `{"cpu_count":1,"memory_mib":10,"affinity":["a b"]}`, "a b", 400},
		{"explain", `{"cpu_count":"1"}`, "cpu_count", 400},
		{"explain", `{"cpus":1}`, "cpus", 400},
		{"explain", `{"vm":"vm-1","cpu_count":1}`, "either", 400},
		{"explain", `{"vm":"vm-3"}`, "vm-3", 404},
		{"explain", `{"vm":"twin"}`, "2 machines", 400},
		{"explain", `{"cluster":"domain-c9","vm":"vm-1"}`, "domain-c9", 404},
		{"maintenance", `{}`, "host is missing", 400},
		{"restart", `{"host":"host-9"}`, "host-9", 404},
		{"move", `{}`, "move", 400},
	} {
		code, text := ask(t, a, test.action, test.body)
		if code != test.code || !strings.Contains(text, test.text) {
			t.Errorf("%s %s: %d %s", test.action, test.body, code, text)
		}
	}
}
