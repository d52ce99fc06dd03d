package agent

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/probe"
)

func TestProbeCounts(t *testing.T) {
	var p probeCounts
	if have := p.list(); len(have) != 0 {
		t.Errorf("before any probe: %v", have)
	}
	p.add("web", "readiness", probe.Result{OK: true})
	p.add("web", "readiness", probe.Result{})
	p.add("web", "liveness", probe.Result{Err: errors.New("no such file")})
	p.add("web", "readiness", probe.Result{OK: true})
	want := []*agentv1.ProbeCount{
		{Container: "web", Kind: "liveness", Unknown: 1},
		{Container: "web", Kind: "readiness", Successful: 2, Failed: 1},
	}
	have := p.list()
	if len(have) != len(want) || !proto.Equal(have[0], want[0]) || !proto.Equal(have[1], want[1]) {
		t.Errorf("got %v, want %v", have, want)
	}
}
