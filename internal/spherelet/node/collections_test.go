package node

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"

	hostv1 "pacific/api/host/v1"
)

func TestCollectionsThatFailAreTold(t *testing.T) {
	recorder := record.NewFakeRecorder(10)
	started := time.Unix(1000, 0)
	c := collections{events: recorder, node: &v1.ObjectReference{Kind: "Node", Name: "host-1"}, told: started}
	for _, test := range []struct {
		name   string
		last   *hostv1.GarbageCollection
		events int
	}{
		{"none yet", nil, 0},
		{"before the start", &hostv1.GarbageCollection{At: timestamppb.New(started.Add(-time.Minute)), Error: "too little"}, 0},
		{"enough", &hostv1.GarbageCollection{At: timestamppb.New(started.Add(time.Minute)), WantedBytes: 5}, 0},
		{"too little", &hostv1.GarbageCollection{At: timestamppb.New(started.Add(2 * time.Minute)), WantedBytes: 5, Error: "too little"}, 1},
		{"seen again", &hostv1.GarbageCollection{At: timestamppb.New(started.Add(2 * time.Minute)), WantedBytes: 5, Error: "too little"}, 0},
		{"all there was", &hostv1.GarbageCollection{At: timestamppb.New(started.Add(3 * time.Minute)), WantedBytes: AllImages, Error: "too little"}, 0},
	} {
		c.tell(test.last)
		if got := len(recorder.Events); got != test.events {
			t.Errorf("%s: %d events, want %d", test.name, got, test.events)
		}
		for len(recorder.Events) > 0 {
			if e := <-recorder.Events; e != "Warning ImageGCFailed too little" {
				t.Error(e)
			}
		}
	}
}
