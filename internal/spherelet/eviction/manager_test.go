package eviction

import (
	"context"
	"errors"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
)

func TestImagesGoBeforePods(t *testing.T) {
	thresholds, err := Parse(Defaults, "", "")
	if err != nil {
		t.Fatal(err)
	}
	full, roomy := Level{Available: 1, Capacity: 100}, Level{Available: 50, Capacity: 100}
	for name, test := range map[string]struct {
		signal    Signal
		after     Level
		err       error
		reclaimed bool
		victim    bool
	}{
		"unused images were enough":       {NodeFSAvailable, roomy, nil, true, false},
		"they were not":                   {NodeFSAvailable, full, nil, true, true},
		"hostd does not answer":           {NodeFSAvailable, roomy, errors.New("no answer"), true, true},
		"inodes are the datastore's too":  {NodeFSInodes, roomy, nil, true, false},
		"processes have none of the disk": {PIDAvailable, roomy, nil, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			level, reclaimed := full, false
			m := &Manager{
				Config: Config{Thresholds: thresholds},
				Levels: func() map[Signal]Level { return map[Signal]Level{test.signal: level} },
				Reclaim: func(context.Context) error {
					if reclaimed = true; test.err == nil {
						level = test.after
					}
					return test.err
				},
				Pods: func(context.Context) []Usage {
					return []Usage{{Pod: &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}}}}
				},
				Changed: func() {},
				Events:  record.NewFakeRecorder(10),
				Node:    &v1.ObjectReference{Kind: "Node", Name: "host-1"},
			}
			victim := m.look(t.Context(), &State{})
			if reclaimed != test.reclaimed || (victim != nil) != test.victim {
				t.Errorf("reclaimed %t, victim %v", reclaimed, victim)
			}
		})
	}
}
