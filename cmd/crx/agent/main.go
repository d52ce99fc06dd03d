// Agent is the personality of a Native Pod's CRX: it runs the pod's containers. See docs/agent.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"pacific/api/crx"
	"pacific/internal/channel"
	"pacific/internal/crx/agent"
	"pacific/internal/crx/agent/runtime"
	"pacific/internal/crx/hold"
)

func main() {
	runtime.Init()
	runtime.PauseInit()
	if len(os.Args) > 1 && os.Args[1] == agent.RehearsalArg {
		if err := agent.Rehearsed(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "agent: rehearsal:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if hold.Pending() {
		if err := agent.Rehearse(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "agent: rehearsal:", err)
		}
	}
	port, err := channel.FindPort(ctx, crx.PersonalityPort)
	if err != nil {
		return err
	}
	a, err := agent.New()
	if err != nil {
		return err
	}
	return a.Run(ctx, port)
}
