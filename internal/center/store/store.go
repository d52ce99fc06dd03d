// Package store keeps the state of the center: JSON records in etcd, one a key.
//
// What is written was compared before: a record is made only where there is none, and replaced only in the revision that the
// writer has seen. So two parts that change the same record never lose each other's change, and several records change together
// or not at all ([Store.Commit]). What is returned without an error has been written by a majority of etcd's members to disk.
package store

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Errors that callers decide by; all others mean that etcd does not answer, or that a record cannot be decoded.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrConflict = errors.New("changed meanwhile")
)

// prefix of all keys, so that an external etcd may be shared.
const prefix = "/center/"

// Store is a connection to etcd.
type Store struct {
	client *clientv3.Client
}

// New is a store at an etcd that the client reaches. The store owns the client.
func New(client *clientv3.Client) *Store { return &Store{client: client} }

// Close ends the connection.
func (s *Store) Close() error { return s.client.Close() }

// Revision of a record; 0 stands for none.
type Revision int64

// Op is one change of a [Store.Commit].
type Op struct {
	key     string
	compare clientv3.Cmp
	op      clientv3.Op
	// failure is what it means when the comparison fails.
	failure error
	err     error
}

// Commit does all changes or none. It fails with the error of the first change whose comparison failed.
func (s *Store) Commit(ctx context.Context, ops ...Op) error {
	var compares []clientv3.Cmp
	var then, otherwise []clientv3.Op
	for _, op := range ops {
		if op.err != nil {
			return op.err
		}
		compares = append(compares, op.compare)
		then = append(then, op.op)
		otherwise = append(otherwise, clientv3.OpGet(op.key, clientv3.WithKeysOnly()))
	}
	answer, err := s.client.Txn(ctx).If(compares...).Then(then...).Else(otherwise...).Commit()
	if err != nil {
		return fmt.Errorf("write to etcd: %w", err)
	}
	if answer.Succeeded {
		return nil
	}
	for i, response := range answer.Responses {
		if err := ops[i].explain(response.GetResponseRange()); err != nil {
			return err
		}
	}
	return ErrConflict // it was changed and changed back
}
