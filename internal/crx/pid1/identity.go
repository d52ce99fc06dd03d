package pid1

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"pacific/api/crx"
)

// setIdentity makes the machine an individual. The order matters: entropy before anything that could draw from it.
func setIdentity(id crx.Identity) error {
	if err := addEntropy(id.Entropy); err != nil {
		return err
	}
	if err := stepClock(id.StepNanos); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	if err := setHostname(id.Hostname); err != nil {
		return err
	}
	if err := setMachineID(id.MachineID); err != nil {
		return err
	}
	return setMACs(id.MACs)
}

// stepClock puts the wall clock forward, in one step of the kernel's: however long it takes until this runs, the sum is right.
func stepClock(nanos int64) error {
	if nanos == 0 {
		return nil
	}
	step := unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO}
	step.Time.Sec, step.Time.Usec = nanos/1e9, nanos%1e9
	if step.Time.Usec < 0 { // the kernel wants them positive
		step.Time.Sec, step.Time.Usec = step.Time.Sec-1, step.Time.Usec+1e9
	}
	_, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &step)
	return err
}

// addEntropy credits the bytes to the kernel's generator and makes it draw a new key at once; see random(4).
func addEntropy(entropy []byte) error {
	if len(entropy) == 0 {
		return nil
	}
	fd, err := unix.Open("/dev/urandom", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/urandom: %w", err)
	}
	defer unix.Close(fd)
	pool := randPoolInfo(entropy)
	if err := ioctl(fd, unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&pool[0]))); err != nil {
		return fmt.Errorf("add %d bytes of entropy: %w", len(entropy), err)
	}
	if err := ioctl(fd, unix.RNDRESEEDCRNG, 0); err != nil {
		return fmt.Errorf("reseed the random number generator: %w", err)
	}
	return nil
}

// randPoolInfo lays out struct rand_pool_info: entropy in bits, size in bytes, the bytes.
func randPoolInfo(entropy []byte) []byte {
	pool := binary.NativeEndian.AppendUint32(nil, uint32(8*len(entropy)))
	pool = binary.NativeEndian.AppendUint32(pool, uint32(len(entropy)))
	return append(pool, entropy...)
}

func ioctl(fd int, request, arg uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, arg); errno != 0 {
		return errno
	}
	return nil
}

func setHostname(name string) error {
	if name == "" {
		return nil
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set hostname %q: %w", name, err)
	}
	return writeEtc("hostname", name)
}

func setMachineID(id string) error {
	if id == "" {
		return nil
	}
	return writeEtc("machine-id", id)
}

func writeEtc(file, line string) error {
	if err := os.MkdirAll("/etc", 0o755); err != nil {
		return err
	}
	return os.WriteFile("/etc/"+file, []byte(line+"\n"), 0o644)
}
