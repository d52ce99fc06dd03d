package scheduler

import "testing"

func TestUpstreamKnowsTheArgs(t *testing.T) {
	s, err := New("/data/scheduler.kubeconfig")
	if err != nil {
		t.Fatal(err)
	}
	if s.options.LeaderElection.LeaderElect || s.options.SecureServing.BindPort != 0 {
		t.Errorf("leader election %v, port %d", s.options.LeaderElection.LeaderElect, s.options.SecureServing.BindPort)
	}
}
