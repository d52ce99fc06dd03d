// Package port makes the taps of machines in the network namespace that hostd runs in.
//
// A tap is persistent and owned by nobody: it outlives hostd and the VMM, and only root can open it. The VMM gets it as an
// open file.
package port

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/dump"
)

// Name of the tap of a machine's port; the first is hostv1.TapName of the machine.
func Name(machineID string, index int) string {
	if index == 0 {
		return hostv1.TapName(machineID)
	}
	return hostv1.TapName(fmt.Sprintf("%s/%d", machineID, index))
}

// MAC of the guest's end of a machine's port; the first is hostv1.MAC of the machine.
func MAC(machineID string, index int) string {
	if index == 0 {
		return hostv1.MAC(machineID)
	}
	return hostv1.MAC(fmt.Sprintf("%s/%d", machineID, index))
}

// Open makes the tap where it is missing, and opens it for a VMM.
func Open(name string) (*os.File, error) {
	file, err := open(name)
	if err == nil {
		err = persist(file)
	}
	if err != nil {
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	if err := configure(name); err != nil {
		file.Close()
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	return file, nil
}

// open attaches to the tap by TUNSETIFF, which creates it. vnet_hdr lets guest and host pass on large segments and
// checksums that are still to be computed.
func open(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w; load the module tun", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// persist lets the tap outlive the file; it closes it on failure.
func persist(tap *os.File) error {
	err := unix.IoctlSetInt(int(tap.Fd()), unix.TUNSETPERSIST, 1)
	if err != nil {
		tap.Close()
	}
	return err
}

// Temporary makes a tap that leads nowhere and ends with the last file open on it. The kernel chooses its name, which is not of the
// form of those of machines.
func Temporary() (*os.File, error) {
	file, err := open("template%d")
	if err != nil {
		return nil, fmt.Errorf("tap of a template: %w", err)
	}
	return file, nil
}

func configure(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := quiet(name); err != nil {
		return err
	}
	mac, err := net.ParseMAC(hostv1.GatewayMAC)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetHardwareAddr(link, mac); err != nil {
		return fmt.Errorf("set hardware address: %w", err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	return nil
}

// quiet keeps the host from speaking IPv6 on the port by itself: the guest must not learn or give it addresses or routes.
func quiet(name string) error {
	for key, value := range map[string]string{"accept_ra": "0", "disable_ipv6": "1"} {
		path := filepath.Join("/proc/sys/net/ipv6/conf", name, key)
		err := os.WriteFile(path, []byte(value), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Delete removes a tap. One that is gone is no error.
func Delete(name string) error {
	if err := deleteTap(name); err != nil || !isBridged(name) {
		return err
	}
	if err := forbidSources(name); err != nil {
		return fmt.Errorf("take tap %s out of the filter: %w", name, err)
	}
	return nil
}

func deleteTap(name string) error {
	link, err := netlink.LinkByName(name)
	if gone(err) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete tap %s: %w", name, err)
	}
	return nil
}

func gone(err error) bool {
	var missing netlink.LinkNotFoundError
	return errors.As(err, &missing)
}

var pattern = regexp.MustCompile(`^(tap|mgt)[0-9a-f]{12}$`)

// List returns the taps whose names are of the form that hostd gives.
func List() ([]string, error) {
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	var names []string
	for _, link := range links {
		attrs := link.Attrs()
		if link.Type() == "tuntap" && pattern.MatchString(attrs.Name) {
			names = append(names, attrs.Name)
		}
	}
	return names, nil
}
