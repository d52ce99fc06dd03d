package fetcher

import (
	"context"
	"sync"

	"github.com/containerd/ttrpc"

	fetcherv1 "pacific/api/fetcher/v1"
	"pacific/internal/channel"
	"pacific/internal/ociclient"
)

// Serve answers on one session of the personality channel until it ends.
func Serve(ctx context.Context, session *channel.Session) error {
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	defer server.Close()
	fetcherv1.RegisterFetcherService(server, &service{dial: Dialer(session), host: Host{Open: session.Open, Sums: Emulated()}})
	streams := &listener{session: session}
	return server.Serve(ctx, streams)
}

// service pulls one image in the life of the machine; the host makes a machine for each pull.
type service struct {
	dial ociclient.DialFunc
	host Host
	once sync.Mutex
}

func (s *service) Fetch(ctx context.Context, req *fetcherv1.FetchRequest, stream fetcherv1.Fetcher_FetchServer) error {
	s.once.Lock()
	defer s.once.Unlock()
	result, err := s.fetch(ctx, req, func(p *fetcherv1.FetchProgress) { stream.Send(p) })
	if err != nil {
		return stream.Send(&fetcherv1.FetchProgress{Stage: "failed", Failure: Classify(err)})
	}
	return stream.Send(&fetcherv1.FetchProgress{Stage: "done", Result: result})
}

func (s *service) fetch(ctx context.Context, req *fetcherv1.FetchRequest, report func(*fetcherv1.FetchProgress)) (*fetcherv1.Result, error) {
	disk, err := mountDisk(ctx, int(req.DiskLun))
	if err != nil {
		return nil, err
	}
	result, err := Pull(ctx, req, s.dial, s.host, Target{Dir: disk.dir, Room: disk.makeRoom}, report)
	if err != nil {
		disk.unmount()
		return nil, err
	}
	report(&fetcherv1.FetchProgress{Stage: "writing"})
	result.Filesystem = Filesystem
	result.SizeBytes, err = disk.finish()
	return result, err
}
