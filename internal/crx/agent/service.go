package agent

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/mount"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Start implements agentv1.AgentService.
func (a *Agent) Start(_ context.Context, req *agentv1.StartRequest) (*agentv1.StartResponse, error) {
	if req.GetPod().GetUid() == "" {
		return nil, status.Error(codes.InvalidArgument, "the pod has no uid")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pod != nil {
		if a.pod.spec.GetUid() != req.GetPod().GetUid() {
			return nil, status.Errorf(codes.FailedPrecondition, "this VM runs pod %s", a.pod.spec.GetUid())
		}
		return &agentv1.StartResponse{}, nil
	}
	a.pod = newPod(a.runtime, req.GetPod())
	if a.image != "" {
		a.pod.volumes.Disks.Provide(0, a.image)
	}
	close(a.arrived)
	go a.pod.run()
	return &agentv1.StartResponse{}, nil
}

// Update implements agentv1.AgentService.
func (a *Agent) Update(ctx context.Context, req *agentv1.UpdateRequest) (*agentv1.UpdateResponse, error) {
	p, err := a.started()
	if err != nil {
		return nil, err
	}
	if err := p.update(ctx, req); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &agentv1.UpdateResponse{}, nil
}

// Stop implements agentv1.AgentService.
func (a *Agent) Stop(_ context.Context, req *agentv1.StopRequest) (*agentv1.StopResponse, error) {
	p, err := a.started()
	if err != nil {
		return nil, err
	}
	p.stop(time.Duration(req.GetGraceSeconds()) * time.Second)
	return &agentv1.StopResponse{}, nil
}

// Watch implements agentv1.AgentService.
func (a *Agent) Watch(ctx context.Context, _ *agentv1.WatchRequest, out agentv1.Agent_WatchServer) error {
	if a.present() == nil {
		if err := out.Send(&agentv1.PodStatus{}); err != nil {
			return err
		}
		select {
		case <-a.arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p := a.present()
	for {
		present, changed := p.status.get()
		if err := out.Send(present); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Exec implements agentv1.AgentService.
func (a *Agent) Exec(_ context.Context, req *agentv1.ExecRequest) (*agentv1.SessionResponse, error) {
	if len(req.GetCommand()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no command to execute")
	}
	i, err := a.running(req.GetContainer())
	if err != nil {
		return nil, err
	}
	s, err := i.exec(req)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &agentv1.SessionResponse{Session: a.sessions.Add(s)}, nil
}

// Attach implements agentv1.AgentService.
func (a *Agent) Attach(_ context.Context, req *agentv1.AttachRequest) (*agentv1.SessionResponse, error) {
	i, err := a.running(req.GetContainer())
	if err != nil {
		return nil, err
	}
	return &agentv1.SessionResponse{Session: a.sessions.Add(i.main.Attach())}, nil
}

// Resize implements agentv1.AgentService.
func (a *Agent) Resize(_ context.Context, req *agentv1.ResizeRequest) (*agentv1.ResizeResponse, error) {
	s, err := a.sessions.Get(req.GetSession())
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	if err := s.Resize(uint16(req.GetWidth()), uint16(req.GetHeight())); err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	return &agentv1.ResizeResponse{}, nil
}

// Wait implements agentv1.AgentService.
func (a *Agent) Wait(ctx context.Context, req *agentv1.WaitRequest) (*agentv1.WaitResponse, error) {
	s, err := a.sessions.Get(req.GetSession())
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	code, err := s.Wait(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	resp := &agentv1.WaitResponse{ExitCode: code}
	if err != nil {
		resp.Error = err.Error()
	}
	return resp, nil
}

// CloseSession implements agentv1.AgentService.
func (a *Agent) CloseSession(_ context.Context, req *agentv1.CloseSessionRequest) (*agentv1.CloseSessionResponse, error) {
	a.sessions.Close(req.GetSession())
	return &agentv1.CloseSessionResponse{}, nil
}

// Signal implements agentv1.AgentService.
func (a *Agent) Signal(_ context.Context, req *agentv1.SignalRequest) (*agentv1.SignalResponse, error) {
	i, err := a.running(req.GetContainer())
	if err != nil {
		return nil, err
	}
	if err := i.container.Signal(syscall.Signal(req.GetSignal())); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &agentv1.SignalResponse{}, nil
}

// Stats implements agentv1.AgentService.
func (a *Agent) Stats(_ context.Context, r *agentv1.StatsRequest) (*agentv1.StatsResponse, error) {
	p, err := a.started()
	if err != nil {
		return nil, err
	}
	return p.stats(r.GetStorage()), nil
}

// ReadScratch implements agentv1.AgentService.
func (a *Agent) ReadScratch(_ context.Context, req *agentv1.ReadScratchRequest) (*agentv1.ReadScratchResponse, error) {
	p, err := a.started()
	if err != nil {
		return nil, err
	}
	out, err := p.volumes.ReadScratch(req.GetVolume())
	switch {
	case errors.Is(err, mount.ErrTooLarge):
		return nil, status.Error(codes.ResourceExhausted, err.Error())
	case err != nil:
		return nil, status.Error(codes.Internal, err.Error())
	}
	return out, nil
}

func (a *Agent) started() (*pod, error) {
	if p := a.present(); p != nil {
		return p, nil
	}
	return nil, status.Error(codes.FailedPrecondition, "no pod was started in this VM")
}

func (a *Agent) running(container string) (*instance, error) {
	p, err := a.started()
	if err != nil {
		return nil, err
	}
	if i := p.instance(container); i != nil {
		return i, nil
	}
	return nil, status.Error(codes.NotFound, fmt.Sprintf("container %s is not running", container))
}
