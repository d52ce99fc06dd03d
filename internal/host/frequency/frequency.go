// Package frequency tells how fast the host's processors are by their maker's word, so that MHz are a measure of processor time.
package frequency

import (
	"io/fs"
	"strconv"
	"strings"
)

// source is a file of the kernel's and how many of its units are a MHz.
type source struct {
	file    string
	perMHz  float64
	extract func(text string) string
}

// sources, the best first. A frequency that the processor has only for a while, with others idle, is none to promise.
var sources = []source{
	{"sys/devices/system/cpu/cpu0/cpufreq/base_frequency", 1000, strings.TrimSpace},
	{"sys/devices/system/cpu/cpu0/acpi_cppc/nominal_freq", 1, strings.TrimSpace},
	{"proc/cpuinfo", 1.0 / 1000, inModelName},
	{"sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", 1000, strings.TrimSpace},
	{"proc/cpuinfo", 1, present},
}

// unknown is for a kernel that tells nothing: a processor counts a thousand.
const unknown = 1000

// Nominal is the MHz of one processor, from the kernel's files below root. Sources: the kernel's admin-guide/pm/intel_pstate.rst
// (base_frequency), admin-guide/acpi/cppc_sysfs.rst (nominal_freq), admin-guide/pm/cpufreq.rst (cpuinfo_max_freq).
func Nominal(root fs.FS) uint32 {
	for _, s := range sources {
		text, err := fs.ReadFile(root, s.file)
		if err != nil {
			continue
		}
		value, err := strconv.ParseFloat(s.extract(string(text)), 64)
		if mhz := value / s.perMHz; err == nil && mhz >= 1 && mhz < 1e6 {
			return uint32(mhz + 0.5)
		}
	}
	return unknown
}

// inModelName finds the GHz in a name such as "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz".
func inModelName(text string) string {
	_, after, found := strings.Cut(field(text, "model name"), "@ ")
	if !found {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSpace(after), "GHz")
}

// present is what the first processor runs with now, which is its only frequency where the kernel does not change it, as in most
// virtual machines.
func present(text string) string { return field(text, "cpu MHz") }

func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
