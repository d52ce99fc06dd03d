// Package systemd has the host's agent run as a service.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
)

// Unit of the agent.
const Unit = "pacific-host.service"

const file = "/etc/systemd/system/" + Unit

// Runs tells whether this machine is run by systemd, see sd_booted(3).
func Runs() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}

// Install has systemd run the command, now and after each reboot. The daemons that it starts outlive it.
func Install(ctx context.Context, command []string) error {
	if err := renameio.WriteFile(file, []byte(text(command)), 0o644, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("unit of the host's agent: %w", err)
	}
	return errors.Join(systemctl(ctx, "daemon-reload"), systemctl(ctx, "enable", "--now", Unit))
}

// Remove has systemd forget the unit, if there is one. What runs is left alone.
func Remove(ctx context.Context) error {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(systemctl(ctx, "disable", Unit), os.Remove(file), systemctl(ctx, "daemon-reload"))
}

func systemctl(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func text(command []string) string {
	words := make([]string, len(command))
	for i, word := range command {
		// Percent and dollar signs mean something in units.
		words[i] = strconv.Quote(strings.NewReplacer("%", "%%", "$", "$$").Replace(word))
	}
	return `[Unit]
Description=Agent of a Pacific host
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=` + strings.Join(words, " ") + `
Restart=on-failure
RestartSec=2
# Daemons and machines run on when the agent ends.
KillMode=process
Delegate=yes
TasksMax=infinity
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`
}
