package disk

import (
	"context"
	"errors"
	"os"
)

// Scratch opens an empty ext4 that is no disk of the store: it has no name, and goes with the last who has it open. A VMM that is to
// read only must get it so.
func (s *Store) Scratch(ctx context.Context, readOnly bool) (*os.File, error) {
	template, err := s.templates.ext4(ctx, minimumExt4)
	if err != nil {
		return nil, err
	}
	named, err := os.CreateTemp(s.templates.dir, "scratch-*"+half)
	if err != nil {
		return nil, err
	}
	defer os.Remove(named.Name())
	if err := errors.Join(named.Close(), clone(template, named.Name())); err != nil {
		return nil, err
	}
	mode := os.O_RDWR
	if readOnly {
		mode = os.O_RDONLY
	}
	return os.OpenFile(named.Name(), mode, 0)
}
