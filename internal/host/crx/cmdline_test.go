package crx

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

func TestCommandLine(t *testing.T) {
	have := CommandLine(Boot{Personality: "agent", Hostname: "web", TSCKHz: 2445428})
	want := "console=ttyS0 quiet reboot=t panic=1 8250.nr_uarts=1 psi=0 crx.personality=agent crx.hostname=web tsc_early_khz=2445428"
	if have != want {
		t.Errorf("%s\nwant %s", have, want)
	}
}

// The measurement must agree with the kernel's own, as far as BogoMIPS shows it.
func TestMeasureTSC(t *testing.T) {
	info, err := os.ReadFile("/proc/cpuinfo")
	match := regexp.MustCompile(`bogomips\s*: ([0-9.]+)`).FindSubmatch(info)
	if err != nil || match == nil {
		t.Skip("no BogoMIPS here")
	}
	bogomips, _ := strconv.ParseFloat(string(match[1]), 64)
	want := bogomips * 1000 / 2
	have := float64(MeasureTSC())
	t.Logf("measured %.0f kHz, BogoMIPS says %.0f kHz", have, want)
	if have < want*0.999 || have > want*1.001 {
		t.Errorf("measured %.0f kHz, want about %.0f kHz", have, want)
	}
}
