package hostagent

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	centerv1 "pacific/api/center/v1"
	hostv1 "pacific/api/host/v1"
	"pacific/internal/pki"
)

// MachineFacts are what the machine tells without a daemon.
func MachineFacts(c Config, version string) *centerv1.Facts {
	facts := &centerv1.Facts{AgentVersion: version, Cpus: uint32(c.CPUs), MemoryBytes: uint64(c.MemoryBytes)}
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		facts.Kernel = unix.ByteSliceToString(uts.Release[:])
	}
	facts.OperatingSystem = operatingSystem(readText("/etc/os-release"))
	facts.BootId = readText("/proc/sys/kernel/random/boot_id")
	facts.CpuMhz = megahertz(readText("/proc/cpuinfo"))
	if facts.Cpus == 0 {
		facts.Cpus = uint32(runtime.NumCPU())
	}
	var info unix.Sysinfo_t
	if facts.MemoryBytes == 0 && unix.Sysinfo(&info) == nil {
		facts.MemoryBytes = info.Totalram * uint64(info.Unit)
	}
	return facts
}

func readText(file string) string {
	data, _ := os.ReadFile(file)
	return strings.TrimSpace(string(data))
}

func operatingSystem(release string) string {
	for line := range strings.Lines(release) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"`)
		}
	}
	return "Linux"
}

// megahertz of a processor by its model's name, which does not change with the load as the momentary frequency does; that only
// where the name has none.
func megahertz(cpuinfo string) uint64 {
	var now float64
	for line := range strings.Lines(cpuinfo) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name":
			if _, text, ok := strings.Cut(value, "@ "); ok {
				if ghz, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), "GHz"), 64); err == nil {
					return uint64(ghz*1000 + 0.5)
				}
			}
		case "cpu MHz":
			if mhz, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && now == 0 {
				now = mhz
			}
		}
	}
	return uint64(now + 0.5)
}

// dialHostd connects to the host's own hostd, as its spherelet.
func dialHostd(dir Dir, c Config) (*grpc.ClientConn, error) {
	config, err := pki.ClientConfig(dir.hostCA(), dir.cert(centerv1.Purpose_HOSTD_SPHERELET), dir.key(centerv1.Purpose_HOSTD_SPHERELET))
	if err != nil {
		return nil, err
	}
	return grpc.NewClient(planner{dir, c}.at(hostdPort), grpc.WithTransportCredentials(credentials.NewTLS(config)))
}

// facts of the machine and, while hostd answers, of what hostd found out.
func (a *Agent) facts(ctx context.Context) *centerv1.Facts {
	facts := MachineFacts(a.config, a.Version)
	conn, err := dialHostd(a.Dir, a.config)
	if err != nil {
		return facts
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	host, err := hostv1.NewHostClient(conn).GetHost(ctx, &hostv1.GetHostRequest{})
	if err != nil {
		return facts
	}
	facts.Accelerator, facts.VmmVersion, facts.HostdVersion = host.GetAccelerator(), host.GetVmmVersion(), host.GetVersion()
	facts.StorageBytes, facts.StorageFreeBytes, facts.MemoryUsedBytes = host.GetStorageBytes(), host.GetStorageFreeBytes(), host.GetMemoryUsedBytes()
	return facts
}

// report says how the host is.
func (a *Agent) report(ctx context.Context) *centerv1.Report {
	wanted := a.order.get()
	report := &centerv1.Report{}
	a.order.mu.Lock()
	report.Revision, report.Problems, report.Removed = a.order.followed, a.order.problems, a.order.removed
	a.order.mu.Unlock()
	if report.Removed {
		return report
	}
	report.Facts = a.facts(ctx)
	report.Members = a.Dir.Members()
	report.Certificates = a.Dir.certificates(wanted, time.Now())
	for _, d := range Daemons(a.Dir, a.config, wanted) {
		state := &centerv1.Daemon{Name: strings.TrimPrefix(d.Name, a.config.Prefix)}
		if rec, ok := a.config.Records().Running(d.Name); ok {
			state.Pid, state.Build = int32(rec.PID), rec.Build
		}
		end := a.config.ends().Of(d.Name)
		state.Ends, state.LastEnd = uint32(end.Count), end.Last
		report.Daemons = append(report.Daemons, state)
	}
	return report
}
