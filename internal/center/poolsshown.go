package center

import (
	"context"

	"pacific/internal/center/machines"
	"pacific/internal/center/namespaces"
)

// poolsShown are namespaces' pools as the inventory lists them.
type poolsShown struct{ namespaces *namespaces.Service }

func (p poolsShown) list(ctx context.Context) ([]machines.Pool, error) {
	all, err := p.namespaces.Namespaces(ctx)
	list := make([]machines.Pool, 0, len(all))
	for _, pool := range all {
		list = append(list, machines.Pool{ID: pool.ID, Name: pool.Name})
	}
	return list, err
}
