// Package appliance is the personality that runs the one program of an image: it mounts the root, data and seed disks (pacific/api/seed),
// sets the network, and keeps the program running. PID 1 (package pid1) has made the machine ready, and reaps and powers off.
package appliance

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"pacific/api/crx"
	"pacific/api/seed"
)

// Main runs the appliance until SIGTERM; then it ends the program and itself. It ends with status 1 when the machine cannot be
// prepared: the host says why, and starts it again if it is to.
func Main() {
	syscall.CloseOnExec(crx.StatusFD)
	status := &reporter{out: os.NewFile(crx.StatusFD, "status")}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, status); err != nil {
		status.report(crx.StageFailing, err.Error())
		fmt.Fprintln(os.Stderr, "appliance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, status *reporter) error {
	status.report(crx.StagePreparing, "waiting for its disks")
	if err := mountRoot(ctx); err != nil {
		return err
	}
	if err := mountData(ctx); err != nil {
		return err
	}
	told, err := readSeed(ctx)
	if err != nil {
		return err
	}
	if err := told.apply(); err != nil {
		return err
	}
	status.report(crx.StagePreparing, "setting its network")
	if err := setNetwork(ctx, told.Network); err != nil {
		return err
	}
	status.address(told.Network.Address.String())
	program, err := programOf(root)
	if err != nil {
		return err
	}
	return keep(ctx, program, told.Arguments, status)
}

// programOf is the path, in the image, of the program that it is for.
func programOf(root string) (string, error) {
	path, err := os.Readlink(root + seed.Program)
	if err != nil {
		return "", fmt.Errorf("the image has no program: %w", err)
	}
	return path, nil
}
