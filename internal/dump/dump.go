// Package dump makes netlink's lists whole.
package dump

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// tries is far more than a busy host needs: a dump takes less than a millisecond, and what interrupts it a few.
const tries = 100

// Whole lists again when the kernel says that what it lists has changed meanwhile (NLM_F_DUMP_INTR), so that nothing is
// missing. On a host that never rests it returns netlink.ErrDumpInterrupted with the last list.
func Whole[T any](list func() ([]T, error)) (all []T, err error) {
	for range tries {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}
