package memberapi

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	supervisorv1 "pacific/api/supervisor/v1"
	"pacific/internal/component"
)

// checkTimeout bounds how long the slowest component may take to say how it is.
const checkTimeout = 5 * time.Second

var states = map[component.State]supervisorv1.Component_State{
	component.Waiting:  supervisorv1.Component_WAITING,
	component.Starting: supervisorv1.Component_STARTING,
	component.Ready:    supervisorv1.Component_READY,
	component.Idle:     supervisorv1.Component_STANDBY,
	component.Failing:  supervisorv1.Component_FAILING,
	component.Stopped:  supervisorv1.Component_STOPPED,
}

// GetHealth implements the API.
func (s *Server) GetHealth(ctx context.Context, _ *supervisorv1.GetHealthRequest) (*supervisorv1.GetHealthResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	response := &supervisorv1.GetHealthResponse{
		Member: s.config.Member.Name, Supervisor: s.config.Member.Supervisor, Version: s.config.Version, Ready: true, MemoryBytes: resident(),
	}
	if s.config.Holder != nil {
		response.FloatingAddressHolder = s.config.Holder()
	}
	if s.config.Leader != nil {
		response.Leader = s.config.Leader()
	}
	for _, c := range s.components.Status(ctx) {
		response.Components = append(response.Components, &supervisorv1.Component{Name: c.Name, State: states[c.State], Message: c.Message})
		response.Ready = response.Ready && (c.State == component.Ready || c.State == component.Idle)
	}
	return response, nil
}

// resident memory of this process in bytes; 0 when the kernel does not tell.
func resident() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(data))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
