package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Execute runs the command line and returns the exit code.
func Execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once, whatever it waits for.
	context.AfterFunc(ctx, stop)
	err := Command().ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errNotReady) {
		fmt.Fprintf(os.Stderr, "pacific: %v\n", err)
	}
	return 1
}
