package port

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
)

// bridgedPrefix is not that of routed ports, to which the dataplane has its own rules.
const bridgedPrefix = "mgt"

// BridgedName is the name of the tap of a machine's port on the management bridge.
func BridgedName(machineID string, index int) string {
	return bridgedPrefix + Name(machineID, index)[len("tap"):]
}

// CheckBridge tells whether there is a bridge of this name; "" is none and no error.
func CheckBridge(name string) error {
	if name == "" {
		return nil
	}
	_, err := bridge(name)
	return err
}

func bridge(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	switch {
	case gone(err):
		return nil, fmt.Errorf("there is no interface %s; make a bridge with the host's uplink in it and the host's address on it", name)
	case err != nil:
		return nil, fmt.Errorf("interface %s: %w", name, err)
	case link.Type() != "bridge":
		return nil, fmt.Errorf("interface %s is no bridge but of type %s", name, link.Type())
	}
	return link, nil
}

// OpenBridged makes the tap where it is missing, puts it on the bridge, and opens it for a VMM. What comes from it with another
// hardware address than guestMAC is dropped.
func OpenBridged(name, bridgeName, guestMAC string) (*os.File, error) {
	master, err := bridge(bridgeName)
	if err != nil {
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	// Before anything can come in.
	if err := allowSource(name, guestMAC); err != nil {
		return nil, fmt.Errorf("tap %s: filter its hardware address: %w", name, err)
	}
	file, err := open(name)
	if err == nil {
		err = persist(file)
	}
	if err != nil {
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	if err := enslave(name, master, guestMAC); err != nil {
		file.Close()
		return nil, fmt.Errorf("tap %s on bridge %s: %w", name, bridgeName, err)
	}
	return file, nil
}

func enslave(name string, master netlink.Link, guestMAC string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	mac, err := tapMAC(guestMAC)
	if err != nil {
		return err
	}
	return errors.Join(
		quiet(name),
		netlink.LinkSetHardwareAddr(link, mac),
		// A bridge has the smallest MTU of its ports.
		netlink.LinkSetMTU(link, master.Attrs().MTU),
		netlink.LinkSetMaster(link, master),
		netlink.LinkSetUp(link))
}

// tapMAC of the host's end. A bridge without an address of its own takes the lowest of its ports', so this one is the highest.
func tapMAC(guestMAC string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(guestMAC)
	if err != nil {
		return nil, err
	}
	mac[0] = 0xfe
	return mac, nil
}
