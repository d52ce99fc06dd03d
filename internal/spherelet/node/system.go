package node

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/component-base/version"

	"pacific/internal/spherelet/eviction"
)

// System describes the host this process runs on.
func System() v1.NodeSystemInfo {
	return v1.NodeSystemInfo{
		MachineID:       readLine("/etc/machine-id"),
		SystemUUID:      systemUUID(),
		BootID:          BootID(),
		KernelVersion:   kernel(),
		OSImage:         osImage(),
		KubeletVersion:  version.Get().GitVersion,
		OperatingSystem: runtime.GOOS,
		Architecture:    runtime.GOARCH,
	}
}

func readLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// systemUUID is that of the firmware; where it has none, as in containers, the machine id stands in.
func systemUUID() string {
	if id := readLine("/sys/class/dmi/id/product_uuid"); id != "" {
		return id
	}
	return readLine("/etc/machine-id")
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

func osImage() string {
	file, err := os.Open("/etc/os-release")
	if err != nil {
		return "Linux"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(value, `"`)
		}
	}
	return "Linux"
}

// BootID of the host's kernel, another after each boot.
func BootID() string { return readLine("/proc/sys/kernel/random/boot_id") }

// processes are those that the host has room for, and how many more there can be; zero if it cannot be seen. Threads count.
func processes() (level eviction.Level) {
	for _, file := range []string{"/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"} {
		limit, err := strconv.ParseInt(readLine(file), 10, 64)
		if err == nil && (level.Capacity == 0 || limit < level.Capacity) {
			level.Capacity = limit
		}
	}
	fields := strings.Fields(readLine("/proc/loadavg")) // 0.00 0.01 0.05 running/all last
	if len(fields) < 4 || level.Capacity == 0 {
		return eviction.Level{}
	}
	_, all, _ := strings.Cut(fields[3], "/")
	there, err := strconv.ParseInt(all, 10, 64)
	if err != nil {
		return eviction.Level{}
	}
	level.Available = level.Capacity - there
	return level
}

// memoryAvailable reads MemAvailable of /proc/meminfo in bytes; 0 if it cannot be read.
func memoryAvailable() uint64 {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "MemAvailable:" {
			kib, _ := strconv.ParseUint(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}
