package dump

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestWhole(t *testing.T) {
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		answers []error // the last one stays
		want    error
		asked   int
	}{
		"at once":          {[]error{nil}, nil, 1},
		"interrupted":      {[]error{netlink.ErrDumpInterrupted, netlink.ErrDumpInterrupted, nil}, nil, 3},
		"another error":    {[]error{netlink.ErrDumpInterrupted, failed}, failed, 2},
		"always on the go": {[]error{netlink.ErrDumpInterrupted}, netlink.ErrDumpInterrupted, tries},
	} {
		asked := 0
		got, err := Whole(func() ([]int, error) {
			answer := c.answers[min(asked, len(c.answers)-1)]
			asked++
			return []int{asked}, answer
		})
		if !errors.Is(err, c.want) || asked != c.asked || len(got) != 1 || got[0] != asked {
			t.Errorf("%s: got %v, %v after %d lists", name, got, err, asked)
		}
	}
}
