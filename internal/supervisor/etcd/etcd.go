// Package etcd runs the Supervisor's etcd inside its process.
package etcd

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"golang.org/x/sys/unix"
)

const (
	// A single member elects itself, so the time-outs only decide how long that takes at the start: 0.1 to 0.5 s.
	heartbeatMillis = 100
	electionMillis  = 500
	// quotaBytes is etcd's recommended maximum. The kube-apiserver compacts every 5 minutes.
	quotaBytes = 8 << 30
	// maxSocketPath is the room in sockaddr_un, without the closing zero. client.sock is the longest name.
	maxSocketPath = 107
)

// plain paths mean the same as a path, as a part of a URL, and in a list with commas.
var plain = regexp.MustCompile("^[A-Za-z0-9/._-]+$")

// Server is the component. Its clients come by a unix socket in a directory that nobody but its owner can enter; without
// peers no port is open, and no certificate is needed.
type Server struct {
	path   string
	peers  *Peers
	socket string   // for clients in this process
	dir    *os.File // locked, and keeps the short name of a long path valid

	running  atomic.Pointer[etcdserver.EtcdServer]
	stopping atomic.Bool
}

// New returns an etcd that keeps everything in the directory path. Only one can have it at a time. Without peers (nil) it
// is alone and listens to nobody.
func New(path string, peers *Peers) (*Server, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	// etcd locks its data as well, but only after it has taken the socket away from the one that runs.
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("lock %s: %w: does another supervisor run with this --data-dir? End it first", path, err)
	}
	socket := filepath.Join(path, "client.sock")
	if len(socket) > maxSocketPath || !plain.MatchString(socket) {
		socket = "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/client.sock"
	}
	return &Server{path: path, peers: peers, socket: socket, dir: dir}, nil
}

// Endpoint is the URL for clients in this process.
func (s *Server) Endpoint() string { return "unix://" + s.socket }

// Name of the component.
func (*Server) Name() string { return "etcd" }

// Run serves until ctx is cancelled. It is ready when it has a vote and there is a majority.
func (s *Server) Run(ctx context.Context, ready func()) error {
	defer s.dir.Close()
	if s.peers != nil {
		if err := s.prepareData(ctx); err != nil {
			return err
		}
	}
	config, err := s.config()
	if err != nil {
		return err
	}
	server, err := embed.StartEtcd(config)
	if err != nil {
		return fmt.Errorf("start with data in %s: %w", s.path, err)
	}
	defer server.Close()
	defer s.stopping.Store(true)
	s.running.Store(server.Server)
	defer s.running.Store(nil)
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		return s.whyStopped(ctx, err)
	case <-server.Server.StopNotify():
		return s.whyStopped(ctx, fmt.Errorf("stopped before it was ready: the data in %s cannot be used", s.path))
	case <-ctx.Done():
		return ctx.Err()
	}
	go func() {
		if s.waitForVote(ctx, server.Server) == nil {
			ready()
		}
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-server.Err():
		return s.whyStopped(ctx, err)
	case <-server.Server.StopNotify():
		return s.whyStopped(ctx, fmt.Errorf("stopped by itself: is the disk of %s full or broken?", s.path))
	}
}

func (s *Server) config() (*embed.Config, error) {
	config := embed.NewConfig()
	config.Dir = s.data()
	// A second socket for health and metrics: gRPC that shares one with HTTP goes through a slower server.
	config.ListenClientUrls = []url.URL{{Scheme: "unix", Path: s.socket}}
	config.ListenClientHttpUrls = []url.URL{{Scheme: "unix", Path: filepath.Join(filepath.Dir(s.socket), "http.sock")}}
	config.QuotaBackendBytes = quotaBytes
	config.EnableGRPCGateway = false
	config.AuthToken = "" // no users, so no tokens
	config.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newLogger(&s.stopping))
	if s.peers != nil {
		return config, s.peers.apply(config)
	}
	config.Name = "supervisor"
	// There is one member, and no other to listen to. What is advertised is a name in the member list only.
	config.ListenPeerUrls = nil
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.TickMs, config.ElectionMs = heartbeatMillis, electionMillis
	return config, nil
}

func (s *Server) data() string { return filepath.Join(s.path, "data") }
