package wcp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"

	supervisorv1 "pacific/api/supervisor/v1"
)

// membership is etcd's, and the connection to a member that answers for it.
type membership struct {
	conn  grpc.ClientConnInterface
	peers map[string]etcdPeer // by the member's name
}

type etcdPeer struct {
	id      uint64
	learner bool
	started bool
}

// take notes etcd's members by the addresses that the record knows them by: one that has not started yet has no name.
func (e *membership) take(list []*supervisorv1.EtcdMember, supervisor Supervisor) {
	for _, peer := range list {
		name := peer.GetName()
		for _, m := range supervisor.Members {
			if slices.ContainsFunc(peer.GetPeerUrls(), func(url string) bool { return strings.Contains(url, "//"+m.Address.String()+":") }) {
				name = m.Name
			}
		}
		if name == "" {
			name = fmt.Sprintf("%x", peer.GetId())
		}
		e.peers[name] = etcdPeer{id: peer.GetId(), learner: peer.GetLearner(), started: peer.GetName() != ""}
	}
}

// facts of it; nil where nobody answered.
func (e membership) facts() []EtcdMember {
	if e.conn == nil {
		return nil
	}
	list := []EtcdMember{}
	for name, peer := range e.peers {
		// Whether a learner is in sync etcd says when it is asked to promote it.
		list = append(list, EtcdMember{Name: name, Learner: peer.learner, InSync: peer.started})
	}
	slices.SortFunc(list, func(a, b EtcdMember) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (e membership) client() (supervisorv1.MemberClient, error) {
	if e.conn == nil {
		return nil, fmt.Errorf("no member of etcd answers")
	}
	return supervisorv1.NewMemberClient(e.conn), nil
}

func (e membership) addLearner(ctx context.Context, m Member) error {
	client, err := e.client()
	if err != nil {
		return err
	}
	_, err = client.AddEtcdLearner(ctx, &supervisorv1.AddEtcdLearnerRequest{Address: m.Address.String()})
	if err != nil {
		return fmt.Errorf("join %s to etcd: %w", m.Name, err)
	}
	return nil
}

func (e membership) promote(ctx context.Context, m Member) error {
	client, err := e.client()
	if err != nil {
		return err
	}
	_, err = client.PromoteEtcdMember(ctx, &supervisorv1.PromoteEtcdMemberRequest{Id: e.peers[m.Name].id})
	if err != nil {
		return fmt.Errorf("promote %s in etcd: %w", m.Name, err)
	}
	return nil
}

func (e membership) remove(ctx context.Context, m Member) error {
	client, err := e.client()
	if err != nil {
		return err
	}
	_, err = client.RemoveEtcdMember(ctx, &supervisorv1.RemoveEtcdMemberRequest{Id: e.peers[m.Name].id})
	if err != nil {
		return fmt.Errorf("take %s out of etcd: %w", m.Name, err)
	}
	return nil
}
