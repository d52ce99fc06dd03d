package port

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
)

// sparePrefix is not that of machines' ports: a spare one leads nowhere, and nobody but hostd has to do with it.
const sparePrefix = "sby"

// spareName of the port of a standby machine.
func spareName(id string, index int) string { return sparePrefix + Name(id, index)[len("tap"):] }

// OpenSpare makes a tap that is down, for a standby machine, and opens it for a VMM. It outlives the file, since it becomes a
// machine's by [Adopt].
func OpenSpare(id string, index int) (*os.File, error) {
	name := spareName(id, index)
	file, err := open(name)
	if err == nil {
		err = persist(file)
	}
	if err != nil {
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	return file, nil
}

// Adopt makes a spare tap that of a machine's port.
func Adopt(spare string, index int, machineID string) error {
	from, to := spareName(spare, index), Name(machineID, index)
	link, err := netlink.LinkByName(from)
	if err == nil {
		err = netlink.LinkSetName(link, to)
	}
	if err != nil {
		return fmt.Errorf("make tap %s to %s: %w", from, to, err)
	}
	if err := configure(to); err != nil {
		return fmt.Errorf("tap %s: %w", to, err)
	}
	return nil
}

// MaxPorts is how many devices of a microvm are left for ports.
const MaxPorts = 4

// DeleteSpares removes the spare taps of a standby machine that no machine has adopted.
func DeleteSpares(id string) error {
	var err error
	for i := range MaxPorts {
		err = errors.Join(err, Delete(spareName(id, i)))
	}
	return err
}
