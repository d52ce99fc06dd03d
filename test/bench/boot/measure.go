// Package boot measures what every start of a CRX costs at least: a bare QEMU microvm with the CRX kernel, from the start
// of the process until its init has control.
package boot

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"pacific/api/crx"
	"pacific/guest/initrd"
	hostcrx "pacific/internal/host/crx"
)

// timeout of one boot. Emulated on a busy machine it takes seconds.
const timeout = time.Minute

// Measure boots the CRX kernel of a guest directory n times under TCG, one machine after another, with PID 1 and the
// built-in personality. Each figure is the time from the start of QEMU to PID 1's first line on the init port.
func Measure(ctx context.Context, guestDir string, n int) ([]time.Duration, error) {
	return MeasureWith(ctx, guestDir, "tcg", n)
}

// MeasureWith measures with an accelerator, "kvm" or "tcg".
func MeasureWith(ctx context.Context, guestDir, accelerator string, n int) ([]time.Duration, error) {
	dir, err := os.MkdirTemp("", "boot")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	o, err := Prepare(dir, guestDir, "")
	if err != nil {
		return nil, err
	}
	o.Accelerator = accelerator
	var times []time.Duration
	for i := range n {
		took, err := once(ctx, filepath.Join(dir, fmt.Sprint(i)), o)
		if err != nil {
			return times, fmt.Errorf("boot %d of %d: %w", i+1, n, err)
		}
		times = append(times, took)
	}
	return times, nil
}

// Prepare writes the initial root file system for a guest directory and a personality, "" for the built-in one, into
// dir and returns the options to boot it under TCG.
func Prepare(dir, guestDir, personality string) (Options, error) {
	o := Options{
		Kernel:      filepath.Join(guestDir, "vmlinux"),
		Initrd:      filepath.Join(dir, "initrd"),
		Personality: crx.PersonalityProbe,
		Accelerator: "tcg",
		TSCKHz:      hostcrx.MeasureTSC(),
	}
	c := initrd.Contents{Init: filepath.Join(guestDir, "crx-init"), Personality: personality}
	if personality != "" {
		o.Personality = filepath.Base(personality)
	}
	if modules := filepath.Join(guestDir, "modules"); exists(modules) {
		c.ModulesDir, o.ACPI = modules, true
	}
	return o, writeInitrd(o.Initrd, c)
}

func writeInitrd(path string, c initrd.Contents) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := initrd.Write(w, c); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func once(ctx context.Context, dir string, o Options) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	m, err := Start(ctx, dir, o)
	if err != nil {
		return 0, err
	}
	took, err := firstLine(m)
	if err != nil {
		m.Kill()
		return 0, m.explain(err)
	}
	return took, m.Wait()
}

// firstLine waits for PID 1 to say that it is there.
func firstLine(m *Machine) (time.Duration, error) {
	conn, err := m.Dial()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	if !lines.Scan() {
		return 0, errors.Join(errors.New("the machine ended before PID 1 said anything"), lines.Err())
	}
	took := time.Since(m.Started)
	var msg crx.Message
	if err := json.Unmarshal(lines.Bytes(), &msg); err != nil || msg.Ready == nil {
		return 0, fmt.Errorf("PID 1 said %q, not ready", lines.Text())
	}
	return took, nil
}
