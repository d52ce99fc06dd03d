//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/kubernetes"

	"pacific/internal/onemachine"
	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
)

// cluster is the instance that all tests share.
var cluster struct {
	layout.Layout
	instance instance.Instance
	client   kubernetes.Interface
	bin      string // directory of the programs
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runAll(m))
}

func runAll(m *testing.M) (code int) {
	home, own, err := chooseHome()
	if err != nil {
		return fail(err)
	}
	if cluster.bin, err = binDir(); err != nil {
		return fail(err)
	}
	if own {
		defer func() { code = max(code, takeDown(home)) }()
	}
	if err := bringUp(home); err != nil {
		return fail(err)
	}
	return m.Run()
}

// binDir is where the programs lie that are tested.
func binDir() (string, error) {
	if dir := os.Getenv("PACIFIC_E2E_BIN"); dir != "" {
		return filepath.Abs(dir)
	}
	return filepath.Abs("../../bin")
}

// chooseHome takes the user's instance, or a home of the tests' own.
func chooseHome() (home string, own bool, err error) {
	if home := os.Getenv("PACIFIC_E2E_HOME"); home != "" {
		return home, false, nil
	}
	home, err = os.MkdirTemp("", "pacific-e2e-")
	return home, true, err
}

func bringUp(home string) error {
	if err := pacific(context.Background(), home, "up"); err != nil {
		return err
	}
	in, err := instance.Load(home)
	if err != nil {
		return err
	}
	cluster.instance, cluster.Layout = in, layout.Layout{ID: in.ID, Home: home}
	cluster.client, err = onemachine.Kubernetes(cluster.Layout)
	return err
}

// takeDown deletes the tests' instance, and keeps the logs of one whose tests failed where they can be read.
func takeDown(home string) (code int) {
	if os.Getenv("PACIFIC_E2E_KEEP") != "" {
		fmt.Fprintf(os.Stderr, "the instance stays: pacific down --purge --home %s\n", home)
		return 0
	}
	if err := pacific(context.Background(), home, "down", "--purge"); err != nil {
		return fail(err)
	}
	if _, err := os.Stat(home); err == nil {
		return fail(fmt.Errorf("pacific down --purge left %s", home))
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "e2e:", err)
	return 1
}
