//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/onemachine"
)

// inventory is what exists on a host.
func inventory(t *testing.T, host string) *hostv1.GetInventoryResponse {
	t.Helper()
	var inv hostv1.GetInventoryResponse
	if err := protojson.Unmarshal([]byte(pacificOutput(t, "host", "inventory", host, "-o", "json")), &inv); err != nil {
		t.Fatal(err)
	}
	return &inv
}

// machineOf finds the machine of a pod on its host.
func machineOf(t *testing.T, host, uid string) *hostv1.InventoryMachine {
	t.Helper()
	for _, m := range inventory(t, host).Machines {
		if m.Id == uid {
			return m
		}
	}
	t.Fatalf("host %s has no machine of pod %s", host, uid)
	return nil
}

// status is what pacific status shows, whether ready or not.
func status(t *testing.T) onemachine.Status {
	t.Helper()
	return onemachine.GetStatus(t.Context(), cluster.instance)
}

// daemonPID is the process of a daemon.
func daemonPID(t *testing.T, name string) int {
	t.Helper()
	for _, d := range status(t).Daemons {
		if d.Name == name && d.PID != 0 {
			return d.PID
		}
	}
	t.Fatalf("daemon %s does not run", name)
	return 0
}

// killDaemons kills daemons with SIGKILL and waits until all is ready again.
func killDaemons(t *testing.T, names ...string) {
	t.Helper()
	before := map[string]int{}
	for _, name := range names {
		before[name] = daemonPID(t, name)
	}
	for name, pid := range before {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatalf("kill %s: %v", name, err)
		}
	}
	eventually(t, time.Minute, fmt.Sprintf("restart of %v", names), func(context.Context) error {
		s := status(t)
		for _, d := range s.Daemons {
			if pid, killed := before[d.Name]; killed && (d.PID == 0 || d.PID == pid) {
				return fmt.Errorf("%s is not back", d.Name)
			}
		}
		if !s.Ready {
			text, _ := json.Marshal(s)
			return fmt.Errorf("not all is ready: %s", text)
		}
		return nil
	})
}
