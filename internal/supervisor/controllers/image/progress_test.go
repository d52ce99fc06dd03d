package image

import (
	"slices"
	"testing"
	"time"

	hostv1 "pacific/api/host/v1"
)

func TestTelling(t *testing.T) {
	begin := time.Unix(1000, 0)
	told := telling{image: "app:1"}
	var at []int
	for second := range 3600 {
		text, tell := told.hear(begin.Add(time.Duration(second)*time.Second),
			&hostv1.PullProgress{Stage: "unpacking", BytesDone: uint64(second), BytesTotal: 3600})
		if tell {
			at = append(at, second)
		}
		if want := `Pulling image "app:1": unpacking, 2% (80 of 3600 bytes)`; second == 80 && text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
	if want := []int{10, 20, 40, 80, 160, 320, 640, 1280, 2560}; !slices.Equal(at, want) {
		t.Errorf("told at %v, want %v", at, want)
	}
}
