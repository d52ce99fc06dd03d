package crx

import (
	"fmt"
	"strings"

	"pacific/api/crx"
)

// Boot is what the kernel command line of a CRX depends on.
type Boot struct {
	Personality string
	Hostname    string
	// TSCKHz is the frequency of the time stamp counter that the guest sees, 0 to let it calibrate by itself.
	TSCKHz uint64
	// Template makes the machine wait to be saved.
	Template bool
}

// CommandLine of the kernel of a CRX.
//
//   - reboot=t: without ACPI the machine ends by a triple fault. panic=1: a panic ends it too, after the message is out.
//   - tsc_early_khz: calibration against the emulated timer hangs now and then under TCG, where the guest's counter is
//     the host's.
//   - 8250.nr_uarts=1: there is one serial port, and looking for more takes time.
//   - psi=0: pressure stall information would be counted at every switch of tasks and looked at every two seconds, for nobody.
func CommandLine(boot Boot) string {
	params := []string{
		"console=ttyS0", "quiet", "reboot=t", "panic=1", "8250.nr_uarts=1", "psi=0",
		crx.ParamPersonality + "=" + boot.Personality,
	}
	if boot.Hostname != "" {
		params = append(params, crx.ParamHostname+"="+boot.Hostname)
	}
	if boot.TSCKHz != 0 {
		params = append(params, fmt.Sprintf("tsc_early_khz=%d", boot.TSCKHz))
	}
	if boot.Template {
		params = append(params, crx.ParamTemplate+"=1")
	}
	return strings.Join(params, " ")
}
