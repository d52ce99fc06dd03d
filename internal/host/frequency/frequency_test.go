package frequency

import (
	"os"
	"testing"
	"testing/fstest"
)

func TestNominal(t *testing.T) {
	const (
		base     = "sys/devices/system/cpu/cpu0/cpufreq/base_frequency"
		cppc     = "sys/devices/system/cpu/cpu0/acpi_cppc/nominal_freq"
		most     = "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"
		info     = "proc/cpuinfo"
		virtual  = "processor\t: 0\nmodel name\t: AMD EPYC\ncpu MHz\t\t: 2445.428\n\nprocessor\t: 1\ncpu MHz\t\t: 9999\n"
		physical = "model name\t: Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz\ncpu MHz\t\t: 1200.000\n"
	)
	for name, c := range map[string]struct {
		files map[string]string
		want  uint32
	}{
		"base frequency":           {map[string]string{base: "2100000\n", most: "3500000\n", info: virtual}, 2100},
		"ACPI":                     {map[string]string{cppc: "2450\n", most: "3500000\n", info: virtual}, 2450},
		"model name":               {map[string]string{most: "3300000\n", info: physical}, 2400},
		"highest":                  {map[string]string{most: "3300000\n", info: virtual}, 3300},
		"virtual machine":          {map[string]string{info: virtual}, 2445},
		"unreadable":               {map[string]string{base: "?\n", cppc: "0\n", info: virtual}, 2445},
		"nothing":                  {nil, unknown},
		"another architecture's":   {map[string]string{info: "BogoMIPS\t: 50.00\n"}, unknown},
		"a model without a number": {map[string]string{info: "model name\t: X @ fast\n"}, unknown},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if have := Nominal(root); have != c.want {
			t.Errorf("%s: %d MHz, want %d", name, have, c.want)
		}
	}
}

func TestNominalOfThisMachine(t *testing.T) {
	mhz := Nominal(os.DirFS("/"))
	if mhz < 300 || mhz > 10000 {
		t.Errorf("%d MHz", mhz)
	}
	t.Logf("%d MHz", mhz)
}
