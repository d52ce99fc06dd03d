package pid1

import (
	"fmt"
	"net"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setMACs gives the machine's network devices their hardware addresses, in the order of their indexes. They are down still,
// so nothing has spoken with those of the template.
func setMACs(macs []string) error {
	if len(macs) == 0 {
		return nil
	}
	names, err := networkDevices()
	if err != nil {
		return err
	}
	if len(names) != len(macs) {
		return fmt.Errorf("%d hardware addresses for %d network devices", len(macs), len(names))
	}
	for i, name := range names {
		if err := setMAC(name, macs[i]); err != nil {
			return fmt.Errorf("hardware address %s of %s: %w", macs[i], name, err)
		}
	}
	return nil
}

// networkDevices names the devices that have a hardware address.
func networkDevices() ([]string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network devices: %w", err)
	}
	slices.SortFunc(all, func(a, b net.Interface) int { return a.Index - b.Index })
	var names []string
	for _, device := range all {
		if device.Flags&net.FlagLoopback == 0 && len(device.HardwareAddr) == 6 {
			names = append(names, device.Name)
		}
	}
	return names, nil
}

func setMAC(name, mac string) error {
	address, err := net.ParseMAC(mac)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request := hardwareRequest(name, address)
	return ioctl(fd, unix.SIOCSIFHWADDR, uintptr(unsafe.Pointer(&request[0])))
}

// hardwareRequest lays out struct ifreq of SIOCSIFHWADDR: the name, then a sockaddr of the type of hardware and the address.
func hardwareRequest(name string, address net.HardwareAddr) []byte {
	request := make([]byte, 40)
	copy(request[:unix.IFNAMSIZ-1], name)
	request[unix.IFNAMSIZ] = unix.ARPHRD_ETHER
	copy(request[unix.IFNAMSIZ+2:], address)
	return request
}
