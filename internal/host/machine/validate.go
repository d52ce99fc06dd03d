package machine

import (
	"hash/fnv"
	"net"
	"path/filepath"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/port"
)

var (
	idPattern   = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
	poolPattern = regexp.MustCompile(`^([A-Za-z0-9_-]{1,63}(/[A-Za-z0-9_-]{1,63})*)?$`)
)

// minimumMemory is what the CRX kernel needs to unpack its initial root file system and start a personality.
const minimumMemory = 48 << 20

// validate refuses what can never work.
func validate(spec *hostv1.VirtualMachineSpec) error {
	bad := func(format string, args ...any) error {
		return status.Errorf(codes.InvalidArgument, "machine "+spec.GetId()+": "+format, args...)
	}
	switch {
	case !idPattern.MatchString(spec.GetId()):
		return status.Errorf(codes.InvalidArgument, "machine id %q is not of the form %s", spec.GetId(), idPattern)
	case spec.GetVcpus() == 0:
		return bad("it has no virtual processors; set vcpus")
	case spec.GetMemoryBytes() < minimumMemory:
		return bad("%d bytes of memory are too few; it needs at least %d MiB", spec.GetMemoryBytes(), minimumMemory>>20)
	case spec.GetMemoryBytes()%(1<<20) != 0:
		return bad("memory of %d bytes is not a whole number of MiB", spec.GetMemoryBytes())
	case spec.GetRestartPolicy() != hostv1.VirtualMachineSpec_NEVER && spec.GetRestartPolicy() != hostv1.VirtualMachineSpec_ALWAYS:
		return bad("restart_policy %d is unknown", spec.GetRestartPolicy())
	case spec.GetMemoryReservationBytes() > spec.GetMemoryBytes():
		return bad("it reserves %d bytes of memory and has only %d; reserve at most those", spec.GetMemoryReservationBytes(), spec.GetMemoryBytes())
	case spec.GetOomScoreAdj() < -1000 || spec.GetOomScoreAdj() > 1000:
		return bad("oom_score_adj %d is not between -1000 and 1000", spec.GetOomScoreAdj())
	case !poolPattern.MatchString(spec.GetResourcePool()):
		return bad("resource pool %q is not of the form %s", spec.GetResourcePool(), poolPattern)
	case len(spec.GetPorts()) > port.MaxPorts:
		return bad("it has %d ports; at most %d are possible", len(spec.GetPorts()), port.MaxPorts)
	}
	for _, p := range spec.GetPorts() {
		if n := p.GetNetwork(); n != "" && n != NetworkManagement {
			return bad("port %s: network %q is neither empty nor %s", p.GetName(), n, NetworkManagement)
		}
		if p.GetMac() == "" {
			continue
		}
		if mac, err := net.ParseMAC(p.GetMac()); err != nil || len(mac) != 6 {
			return bad("port %s: %q is not an Ethernet address", p.GetName(), p.GetMac())
		}
	}
	return validateType(spec, bad)
}

func validateType(spec *hostv1.VirtualMachineSpec, bad func(string, ...any) error) error {
	switch t := spec.GetType().(type) {
	case *hostv1.VirtualMachineSpec_Crx:
		switch {
		case t.Crx.GetMode() == hostv1.Crx_MODE_UNSPECIFIED:
			return bad("a CRX is managed or unmanaged; set crx.mode")
		case t.Crx.GetPersonality() == "":
			return bad("a CRX has a personality; set crx.personality")
		}
	case *hostv1.VirtualMachineSpec_Guest:
		if f := t.Guest.GetFirmware(); f != "" && f != "bios" && f != "uefi" {
			return bad("firmware %q is neither bios nor uefi", f)
		}
		if t.Guest.GetImage() != "" {
			return validateImage(spec, bad)
		}
	default:
		return bad("it has no type; set crx or guest")
	}
	return nil
}

// NetworkManagement is the network of a port on the host's management bridge.
const NetworkManagement = "management"

// validateImage knows what a guest looks for at which address (pacific/api/seed).
func validateImage(spec *hostv1.VirtualMachineSpec, bad func(string, ...any) error) error {
	disks := spec.GetDisks()
	switch {
	case spec.GetGuest().GetFirmware() != "":
		return bad("a guest with an image has no firmware; leave guest.firmware empty")
	case len(disks) != 2 || disks[0].GetReadOnly() || !disks[1].GetReadOnly():
		return bad("a guest with an image has two disks: the first writable, for its data, the second read_only, with its seed")
	}
	return nil
}

// maxDirName keeps paths of sockets below the kernel's limit of 107 bytes; a UUID fits in.
const maxDirName = 36

// dirName is the name of a machine's run directory: its id, or if that is long its beginning and a hash.
func dirName(id string) string {
	if len(id) <= maxDirName {
		return id
	}
	h := fnv.New64a()
	h.Write([]byte(id))
	const digits = "0123456789abcdef"
	var hex strings.Builder
	for v, i := h.Sum64(), 0; i < 16; v, i = v>>4, i+1 {
		hex.WriteByte(digits[v&15])
	}
	return id[:maxDirName-17] + "-" + hex.String()
}

// RunDirs is the directory below which each machine has its run directory.
func RunDirs(runDir string) string { return filepath.Join(runDir, "m") }

// firstUID and uids are a range that neither distributions nor systemd nor containers hand out.
const (
	firstUID = 1_900_000_000
	uids     = 100_000_000
)

// chooseUID derives the user of a machine's VMM from host and machine, and takes the next one while it is taken.
func chooseUID(host, id string, taken func(uint32) bool) uint32 {
	h := fnv.New64a()
	h.Write([]byte(host + "/" + id))
	for n := h.Sum64() % uids; ; n = (n + 1) % uids {
		if uid := uint32(firstUID + n); !taken(uid) {
			return uid
		}
	}
}
