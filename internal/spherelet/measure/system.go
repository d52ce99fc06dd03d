package measure

import (
	"bytes"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var ownStart = time.Now()

// readSystem leaves out what cannot be read.
func readSystem() System {
	s := System{OwnStart: ownStart}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		s.OwnCPU = uint64(usage.Utime.Nano() + usage.Stime.Nano())
	}
	// See proc_pid_statm(5), proc_stat(5), proc_loadavg(5), proc_pid_net(5).
	s.OwnMemory = number(field(read("/proc/self/statm"), 1)) * uint64(os.Getpagesize())
	for line := range strings.Lines(read("/proc/stat")) {
		if name, value, _ := strings.Cut(line, " "); name == "btime" {
			s.BootTime = time.Unix(int64(number(value)), 0)
		}
	}
	_, processes, _ := strings.Cut(field(read("/proc/loadavg"), 3), "/")
	s.Processes, s.MaxProcesses = number(processes), number(read("/proc/sys/kernel/pid_max"))
	s.Interfaces = parseInterfaces(read("/proc/self/net/dev"))
	return s
}

func read(path string) string {
	data, _ := os.ReadFile(path)
	return string(bytes.TrimSpace(data))
}

func field(text string, n int) string {
	if fields := strings.Fields(text); n < len(fields) {
		return fields[n]
	}
	return ""
}

func number(text string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	return n
}

// notTheHosts are loopback and the pods' ports.
var notTheHosts = regexp.MustCompile(`^(lo|tap[0-9a-f]{12})$`)

// parseInterfaces reads /proc/net/dev: a name and sixteen numbers, first of what was received.
func parseInterfaces(text string) []Interface {
	var all []Interface
	for line := range strings.Lines(text) {
		name, rest, found := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		fields := strings.Fields(rest)
		if !found || len(fields) < 16 || notTheHosts.MatchString(name) {
			continue
		}
		n := func(i int) uint64 { return number(fields[i]) }
		all = append(all, Interface{
			Name: name, RxBytes: n(0), RxPackets: n(1), RxErrors: n(2), RxDrops: n(3),
			TxBytes: n(8), TxPackets: n(9), TxErrors: n(10), TxDrops: n(11),
		})
	}
	return all
}
