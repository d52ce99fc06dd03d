package etcd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

const voteInterval = 100 * time.Millisecond

// started is a file that says that there have been data once.
func (s *Server) started() string { return filepath.Join(s.path, "started") }

// prepareData makes sure that a member starts either with its data or as somebody who never had any.
func (s *Server) prepareData(ctx context.Context) error {
	if exists(filepath.Join(s.data(), "member", "wal")) {
		return nil
	}
	if s.peers.RestoreFrom != "" {
		klog.InfoS("Restoring etcd's data from a snapshot", "snapshot", s.peers.RestoreFrom)
		return s.peers.restore(s.data())
	}
	if exists(s.started()) {
		return fmt.Errorf("the data of %s in %s are gone: remove it from the Supervisor and add a new member with a directory of its own, or restore a snapshot",
			s.peers.Self.Name, s.data())
	}
	return s.peers.waitForAdmission(ctx)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// waitForVote returns when this is a voting member. A learner has no vote, and answers nobody who wants to be sure.
func (s *Server) waitForVote(ctx context.Context, server *etcdserver.EtcdServer) error {
	if s.peers == nil {
		return nil
	}
	if err := renameio.WriteFile(s.started(), nil, 0o600, renameio.IgnoreUmask()); err != nil {
		klog.ErrorS(err, "Cannot note that etcd has data now")
	}
	if server.IsLearner() {
		klog.InfoS("This member of etcd is a learner and waits to be promoted", "member", s.peers.Self.Name)
	}
	return wait.PollUntilContextCancel(ctx, voteInterval, true, func(context.Context) (bool, error) { return !server.IsLearner(), nil })
}

// whyStopped tells a member that was removed from one that cannot go on.
func (s *Server) whyStopped(ctx context.Context, otherwise error) error {
	if s.peers != nil {
		if client, err := s.peers.client(); err == nil && removed(s.peers.Self, s.peers.ask(ctx, client)) {
			return fmt.Errorf("%s was removed from the Supervisor: its data are worth nothing any more; add it again, with another directory, or delete it", s.peers.Self.Name)
		}
	}
	return otherwise
}

// Check says what keeps etcd from serving.
func (s *Server) Check(context.Context) error {
	server := s.running.Load()
	switch {
	case server == nil:
		return errors.New("starts, or waits for the other members")
	case server.IsLearner():
		return errors.New("is a learner: waits to have the others' data and to be promoted")
	case server.Leader() == 0:
		return errors.New("has no leader: fewer than a majority of the members reach each other")
	}
	for _, alarm := range server.Alarms() {
		return fmt.Errorf("alarm %v of member %x", alarm.Alarm, alarm.MemberID)
	}
	return nil
}
