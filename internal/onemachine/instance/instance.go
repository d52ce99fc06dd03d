// Package instance is the identity of a one-machine installation: a directory (its home), a number that its addresses
// and names derive from, and the options that it was brought up with. It outlives reboots.
package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// MaxHosts fit between the first host's address, .11, and the end of the instance's /24.
const MaxHosts = 200

// Instance is the content of instance.json.
type Instance struct {
	// ID is unique on the machine, 1-254. Subnet, bridge and namespaces are named after it.
	ID int `json:"id"`
	// Home holds everything that the instance keeps on disk; an absolute path.
	Home    string  `json:"home"`
	Subnet  string  `json:"subnet"` // for people; derived from ID
	Hosts   int     `json:"hosts"`
	Options Options `json:"options"`
}

// Options are what the user chose; they apply to every host.
type Options struct {
	// BinDir holds the daemons' programs; an absolute path.
	BinDir      string `json:"binDir"`
	Accelerator string `json:"accelerator"` // auto, kvm, tcg
	HostCPUs    int    `json:"hostCPUs"`
	HostMemory  int64  `json:"hostMemory"` // bytes
	// ControlPlanes is how many members the control plane has, ControlPlane what they are: auto, process, vm.
	ControlPlanes int    `json:"controlPlanes"`
	ControlPlane  string `json:"controlPlane"`
}

// File is where the instance with this home is described.
func File(home string) string { return filepath.Join(home, "instance.json") }

// ErrNone says that a directory holds no instance.
var ErrNone = errors.New("no Pacific instance here")

// Load reads the instance in home. The error wraps [ErrNone] where there is none.
func Load(home string) (Instance, error) {
	data, err := os.ReadFile(File(home))
	if errors.Is(err, fs.ErrNotExist) {
		return Instance{}, fmt.Errorf("%s: %w; create one with: pacific up --home %s", home, ErrNone, home)
	}
	if err != nil {
		return Instance{}, fmt.Errorf("read instance: %w", err)
	}
	var in Instance
	if err := json.Unmarshal(data, &in); err != nil {
		return Instance{}, fmt.Errorf("%s is damaged: %w", File(home), err)
	}
	// The directory may have been moved; where it is now counts.
	in.Home = home
	return in, in.validate()
}

// Save writes instance.json.
func (in Instance) Save() error {
	if err := in.validate(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(in, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(in.Home, 0o755); err != nil {
		return fmt.Errorf("create home: %w", err)
	}
	return renameio.WriteFile(File(in.Home), append(data, '\n'), 0o644)
}

func (in Instance) validate() error {
	switch {
	case in.ID < 1 || in.ID > maxID:
		return fmt.Errorf("instance %s: id %d is not between 1 and %d", in.Home, in.ID, maxID)
	case in.Hosts < 1 || in.Hosts > MaxHosts:
		return fmt.Errorf("instance %s: %d hosts; possible are 1 to %d", in.Home, in.Hosts, MaxHosts)
	case !filepath.IsAbs(in.Home):
		return fmt.Errorf("home %q is not an absolute path", in.Home)
	}
	switch in.Options.Accelerator {
	case "auto", "kvm", "tcg":
		return nil
	}
	return fmt.Errorf("accelerator %q is none of auto, kvm, tcg", in.Options.Accelerator)
}

// Subnet of the instance with this id.
func Subnet(id int) string { return fmt.Sprintf("10.77.%d.0/24", id) }
