package memberapi

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"

	supervisorv1 "pacific/api/supervisor/v1"
	"pacific/internal/supervisor/member"
)

const (
	// etcdTimeout is longer than an election in an emulated machine.
	etcdTimeout = 30 * time.Second
	chunkBytes  = 256 << 10
)

// ListEtcdMembers implements the API.
func (s *Server) ListEtcdMembers(ctx context.Context, _ *supervisorv1.ListEtcdMembersRequest) (*supervisorv1.ListEtcdMembersResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	list, err := s.etcd.MemberList(ctx)
	if err != nil {
		return nil, explain("list the members of etcd", err)
	}
	response := &supervisorv1.ListEtcdMembersResponse{}
	for _, m := range list.Members {
		response.Members = append(response.Members, memberOf(m))
	}
	if state, err := s.etcd.Status(ctx, s.config.Etcd); err == nil {
		response.Leader = state.Leader
	}
	return response, nil
}

func memberOf(m *etcdserverpb.Member) *supervisorv1.EtcdMember {
	return &supervisorv1.EtcdMember{Id: m.ID, Name: m.Name, PeerUrls: m.PeerURLs, Learner: m.IsLearner}
}

// AddEtcdLearner implements the API.
func (s *Server) AddEtcdLearner(ctx context.Context, request *supervisorv1.AddEtcdLearnerRequest) (*supervisorv1.EtcdMember, error) {
	address, err := netip.ParseAddr(request.Address)
	if err != nil || !address.Is4() {
		return nil, status.Errorf(codes.InvalidArgument, "address %q is no IPv4 address", request.Address)
	}
	ctx, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	url := member.Member{Address: address}.PeerURL()
	list, err := s.etcd.MemberList(ctx)
	if err != nil {
		return nil, explain("list the members of etcd", err)
	}
	for _, m := range list.Members {
		if !slices.Contains(m.PeerURLs, url) {
			continue
		}
		if m.IsLearner {
			return memberOf(m), nil
		}
		return nil, status.Errorf(codes.AlreadyExists, "%s at %s is a member of etcd already, with a vote: remove it before another takes its address", m.Name, url)
	}
	added, err := s.etcd.MemberAddAsLearner(ctx, []string{url})
	if err != nil {
		return nil, explain("add a learner to etcd", err)
	}
	klog.InfoS("Added a learner to etcd", "id", added.Member.ID, "peer", url)
	return memberOf(added.Member), nil
}

// PromoteEtcdMember implements the API.
func (s *Server) PromoteEtcdMember(ctx context.Context, request *supervisorv1.PromoteEtcdMemberRequest) (*supervisorv1.PromoteEtcdMemberResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	_, err := s.etcd.MemberPromote(ctx, request.Id)
	if err != nil && !errors.Is(err, rpctypes.ErrMemberNotLearner) {
		return nil, explain("promote a learner of etcd", err)
	}
	klog.InfoS("A member of etcd has a vote", "id", request.Id)
	return &supervisorv1.PromoteEtcdMemberResponse{}, nil
}

// RemoveEtcdMember implements the API.
func (s *Server) RemoveEtcdMember(ctx context.Context, request *supervisorv1.RemoveEtcdMemberRequest) (*supervisorv1.RemoveEtcdMemberResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	_, err := s.etcd.MemberRemove(ctx, request.Id)
	if err != nil && !errors.Is(err, rpctypes.ErrMemberNotFound) {
		return nil, explain("remove a member of etcd", err)
	}
	klog.InfoS("A member of etcd is removed", "id", request.Id)
	return &supervisorv1.RemoveEtcdMemberResponse{}, nil
}

// Snapshot implements the API.
func (s *Server) Snapshot(_ *supervisorv1.SnapshotRequest, stream grpc.ServerStreamingServer[supervisorv1.SnapshotChunk]) error {
	snapshot, err := s.etcd.SnapshotWithVersion(stream.Context())
	if err != nil {
		return explain("make a snapshot of etcd", err)
	}
	defer snapshot.Snapshot.Close()
	buffer := make([]byte, chunkBytes)
	for {
		n, err := snapshot.Snapshot.Read(buffer)
		if n > 0 {
			if err := stream.Send(&supervisorv1.SnapshotChunk{Data: buffer[:n]}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return explain("make a snapshot of etcd", err)
		}
	}
}

// explain gives etcd's error the code of the API, and what to do.
func explain(what string, err error) error {
	var etcd rpctypes.EtcdError
	code, next := codes.Unavailable, "try again, or another member"
	switch {
	case errors.Is(err, rpctypes.ErrMemberNotFound):
		code, next = codes.NotFound, "list the members"
	case errors.Is(err, rpctypes.ErrMemberLearnerNotReady):
		code, next = codes.FailedPrecondition, "it does not have all data yet, try again"
	case errors.Is(err, rpctypes.ErrTooManyLearners):
		code, next = codes.FailedPrecondition, "promote or remove the learner that is there"
	case errors.Is(err, rpctypes.ErrUnhealthy), errors.Is(err, rpctypes.ErrMemberNotEnoughStarted):
		code, next = codes.FailedPrecondition, "a member is away, or came back a few seconds ago, so that one more change could cost the majority: bring it back and try again"
	case errors.As(err, &etcd) && etcd.Code() != codes.Unknown:
		code = etcd.Code()
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	}
	return status.Errorf(code, "%s: %v: %s", what, err, next)
}
