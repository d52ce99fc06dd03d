package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Collection of records of one type. An id is any text without "/".
type Collection[T any] struct {
	store *Store
	dir   string
	name  string
}

// Of is the collection of that name; a name stands for one type forever.
func Of[T any](s *Store, name string) Collection[T] {
	return Collection[T]{store: s, dir: prefix + name + "/", name: name}
}

// Item is a record of a collection.
type Item[T any] struct {
	ID       string
	Value    T
	Revision Revision
}

// Get reads a record; [ErrNotFound].
func (c Collection[T]) Get(ctx context.Context, id string) (value T, revision Revision, err error) {
	if err := c.check(id); err != nil {
		return value, 0, err
	}
	answer, err := c.store.client.Get(ctx, c.dir+id)
	if err != nil {
		return value, 0, fmt.Errorf("read %s %s: %w", c.name, id, err)
	}
	if len(answer.Kvs) == 0 {
		return value, 0, fmt.Errorf("%s %s: %w", c.name, id, ErrNotFound)
	}
	value, err = c.decode(id, answer.Kvs[0].Value)
	return value, Revision(answer.Kvs[0].ModRevision), err
}

// List reads all records, in the order of their ids.
func (c Collection[T]) List(ctx context.Context) ([]Item[T], error) {
	answer, err := c.store.client.Get(ctx, c.dir, clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", c.name, err)
	}
	items := make([]Item[T], 0, len(answer.Kvs))
	for _, kv := range answer.Kvs {
		id := strings.TrimPrefix(string(kv.Key), c.dir)
		value, err := c.decode(id, kv.Value)
		if err != nil {
			return nil, err
		}
		items = append(items, Item[T]{ID: id, Value: value, Revision: Revision(kv.ModRevision)})
	}
	return items, nil
}

// Create writes a record that is new; [ErrExists].
func (c Collection[T]) Create(ctx context.Context, id string, value T) error {
	return c.store.Commit(ctx, c.CreateOp(id, value))
}

// CreateFor writes a new record that ends by itself after ttl, at least 5 s.
func (c Collection[T]) CreateFor(ctx context.Context, id string, value T, ttl time.Duration) error {
	lease, err := c.store.client.Grant(ctx, max(5, int64(ttl.Round(time.Second)/time.Second)))
	if err != nil {
		return fmt.Errorf("create %s %s: %w", c.name, id, err)
	}
	err = c.store.Commit(ctx, c.create(id, value, clientv3.WithLease(lease.ID)))
	if err != nil {
		_, _ = c.store.client.Revoke(ctx, lease.ID) // it would end by itself
	}
	return err
}

// Put replaces a record of a revision; [ErrConflict] when it has another by now, or is gone.
func (c Collection[T]) Put(ctx context.Context, id string, value T, revision Revision) error {
	return c.store.Commit(ctx, c.PutOp(id, value, revision))
}

// Update changes a record by a function, which is called again when somebody else was faster. An error of the function
// ends it with nothing changed. It returns what was written.
func (c Collection[T]) Update(ctx context.Context, id string, change func(*T) error) (T, error) {
	for {
		value, revision, err := c.Get(ctx, id)
		if err != nil {
			return value, err
		}
		if err := change(&value); err != nil {
			return value, err
		}
		err = c.Put(ctx, id, value, revision)
		if !errors.Is(err, ErrConflict) {
			return value, err
		}
	}
}

// Delete deletes a record in whatever revision; [ErrNotFound].
func (c Collection[T]) Delete(ctx context.Context, id string) error {
	if err := c.check(id); err != nil {
		return err
	}
	answer, err := c.store.client.Delete(ctx, c.dir+id)
	if err != nil {
		return fmt.Errorf("delete %s %s: %w", c.name, id, err)
	}
	if answer.Deleted == 0 {
		return fmt.Errorf("%s %s: %w", c.name, id, ErrNotFound)
	}
	return nil
}

// CreateOp makes a new record; [ErrExists].
func (c Collection[T]) CreateOp(id string, value T) Op { return c.create(id, value) }

func (c Collection[T]) create(id string, value T, options ...clientv3.OpOption) Op {
	op := c.write(id, value, options...)
	op.compare = clientv3.Compare(clientv3.CreateRevision(op.key), "=", 0)
	op.failure = fmt.Errorf("%s %s: %w", c.name, id, ErrExists)
	return op
}

// PutOp replaces a record of a revision; [ErrConflict].
func (c Collection[T]) PutOp(id string, value T, revision Revision) Op {
	op := c.write(id, value)
	op.compare = clientv3.Compare(clientv3.ModRevision(op.key), "=", int64(revision))
	op.failure = fmt.Errorf("%s %s: %w", c.name, id, ErrConflict)
	return op
}

// DeleteOp deletes a record of a revision; [ErrConflict].
func (c Collection[T]) DeleteOp(id string, revision Revision) Op {
	key := c.dir + id
	return Op{
		key:     key,
		compare: clientv3.Compare(clientv3.ModRevision(key), "=", int64(revision)),
		op:      clientv3.OpDelete(key),
		failure: fmt.Errorf("%s %s: %w", c.name, id, ErrConflict),
		err:     c.check(id),
	}
}

func (c Collection[T]) write(id string, value T, options ...clientv3.OpOption) Op {
	data, err := json.Marshal(value)
	if err != nil {
		err = fmt.Errorf("encode %s %s: %w", c.name, id, err)
	}
	key := c.dir + id
	return Op{key: key, op: clientv3.OpPut(key, string(data), options...), err: errors.Join(c.check(id), err)}
}

// explain tells what the comparison failed for, nil if it was not this one.
func (op Op) explain(now *pb.RangeResponse) error {
	exists := len(now.GetKvs()) > 0
	switch {
	case errors.Is(op.failure, ErrExists):
		if exists {
			return op.failure
		}
	case !exists, now.GetKvs()[0].ModRevision != wantedRevision(op.compare):
		return op.failure
	}
	return nil
}

func wantedRevision(compare clientv3.Cmp) int64 {
	target, ok := compare.TargetUnion.(*pb.Compare_ModRevision)
	if !ok {
		return 0
	}
	return target.ModRevision
}

func (c Collection[T]) decode(id string, data []byte) (value T, err error) {
	if err := json.Unmarshal(data, &value); err != nil {
		return value, fmt.Errorf("decode %s %s: %w", c.name, id, err)
	}
	return value, nil
}

func (c Collection[T]) check(id string) error {
	if id == "" || strings.Contains(id, "/") {
		return fmt.Errorf("%q cannot be the id of one of %s", id, c.name)
	}
	return nil
}
