package advisor

import (
	"net/http"

	"pacific/internal/center/placement"
	"pacific/internal/center/rest"
	"pacific/internal/center/vapi"
)

const path = "/api/pacific/placement"

// Routes implement center's part. They are questions: nothing is changed.
func (a *Advisor) Routes() []rest.Route {
	ask := func(action string, handle func(*rest.Request) (any, error)) rest.Route {
		return rest.Route{Method: http.MethodPost, Path: path, Action: action, Access: rest.Reader, Quiet: true, Handle: handle}
	}
	return []rest.Route{ask("explain", a.answerExplain), ask("maintenance", a.answerMaintenance), ask("restart", a.answerRestart), ask("balance", a.answerBalance)}
}

// answerExplain gives a [placement.Standing] for a machine that exists, a [placement.Set] otherwise.
func (a *Advisor) answerExplain(r *rest.Request) (any, error) {
	var q question
	if err := r.Decode(&q); err != nil {
		return nil, err
	}
	if q.VM == "" {
		if err := q.check(); err != nil {
			return nil, err
		}
		return a.explainNew(r.Context(), q)
	}
	if q.CPUs != 0 || q.MemoryMiB != 0 || q.Count != 0 || q.Name != "" {
		return nil, vapi.InvalidArgument("placement.both", "name either a machine that exists (vm), or the shape of a new one (cpu_count, memory_mib)")
	}
	return a.explain(r.Context(), q.Cluster, q.VM)
}

// hostQuestion is about a host, by id or name.
type hostQuestion struct {
	Cluster string `json:"cluster"`
	Host    string `json:"host"`
}

func (a *Advisor) answerMaintenance(r *rest.Request) (any, error) {
	return a.aboutHost(r, placement.Evacuate)
}

func (a *Advisor) answerRestart(r *rest.Request) (any, error) {
	return a.aboutHost(r, placement.Restart)
}

func (a *Advisor) aboutHost(r *rest.Request, decide func(placement.Inventory, string) placement.Evacuation) (any, error) {
	var q hostQuestion
	if err := r.Decode(&q); err != nil {
		return nil, err
	}
	if q.Host == "" {
		return nil, vapi.InvalidArgument("placement.host.missing", "host is missing: give its id or name")
	}
	in, err := a.source.Inventory(r.Context(), q.Cluster)
	if err != nil {
		return nil, err
	}
	h, err := hostOf(in, q.Host)
	if err != nil {
		return nil, err
	}
	return decide(in, h.ID), nil
}

// answerBalance gives a [placement.Balanced].
func (a *Advisor) answerBalance(r *rest.Request) (any, error) {
	var q struct {
		Cluster string `json:"cluster"`
	}
	if err := r.Decode(&q); err != nil {
		return nil, err
	}
	in, err := a.source.Inventory(r.Context(), q.Cluster)
	if err != nil {
		return nil, err
	}
	return placement.Balanced{Moves: placement.Balance(in), Violations: placement.Violations(in)}, nil
}
