// Package seed is what a machine that runs an image (an appliance) is told at each of its starts: who it is, its network, files and the
// arguments of its one program. It is a JSON document at the beginning of a read-only disk, followed by zeros, and holds secrets.
package seed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strings"
)

// MaxBytes of an encoded seed; a disk with a seed has this size.
const MaxBytes = 1 << 20

// Disks of an appliance by LUN.
const (
	RootLUN = 0
	DataLUN = 1
	SeedLUN = 2
)

// Places in the appliance's file system.
const (
	// Dir is in memory; all files of a seed are below it.
	Dir = "/run/pacific"
	// DataDir is the data disk, the only thing that lasts.
	DataDir = "/var/lib/pacific"
	// Program is a symbolic link in the image to the program that it is for.
	Program = "/init"
	// Interface is the port on the management network, the machine's first.
	Interface = "eth0"
)

// Seed of one appliance.
type Seed struct {
	Hostname string  `json:"hostname"`
	Network  Network `json:"network"`
	Files    []File  `json:"files,omitempty"`
	// Arguments of the program, without its name.
	Arguments []string `json:"arguments,omitempty"`
}

// Network of [Interface].
type Network struct {
	// Address with the length of its network's prefix.
	Address netip.Prefix `json:"address"`
	// Gateway of the default route; none if it is not valid.
	Gateway netip.Addr `json:"gateway,omitzero"`
	// Nameservers that names are resolved by.
	Nameservers []netip.Addr `json:"nameservers,omitempty"`
	// MTU of the management network; 0 for 1500.
	MTU int `json:"mtu,omitempty"`
}

// File with 0600, or 0700 directories around it.
type File struct {
	// Path is absolute and below [Dir].
	Path    string `json:"path"`
	Content []byte `json:"content"`
}

var hostname = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Check says everything that is wrong.
func (s Seed) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !hostname.MatchString(s.Hostname) {
		bad("hostname %q is no DNS label", s.Hostname)
	}
	n := s.Network
	if !n.Address.IsValid() || n.Address.Addr().IsUnspecified() {
		bad("network.address is missing; give an address with its prefix length, such as 10.0.0.3/24")
	}
	if n.Gateway.IsValid() && n.Address.IsValid() && !n.Address.Contains(n.Gateway) {
		bad("network.gateway %s is not in %s", n.Gateway, n.Address.Masked())
	}
	if n.MTU != 0 && (n.MTU < 1280 || n.MTU > 65535) {
		bad("network.mtu %d is not between 1280 and 65535", n.MTU)
	}
	for _, f := range s.Files {
		if path.Clean(f.Path) != f.Path || !strings.HasPrefix(f.Path, Dir+"/") {
			bad("files: %q is not a clean path below %s", f.Path, Dir)
		}
	}
	return errors.Join(errs...)
}

// Encode checks the seed and gives the content of its disk.
func (s Seed) Encode() ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("seed: it has %d bytes; at most %d are possible", len(text), MaxBytes)
	}
	return text, nil
}

// Decode reads what stands at the beginning of a disk. Unknown fields are errors: an older image would leave out what it is told to do.
func Decode(disk []byte) (Seed, error) {
	text, _, _ := bytes.Cut(disk, []byte{0})
	var s Seed
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return Seed{}, fmt.Errorf("seed: %w", err)
	}
	if decoder.More() {
		return Seed{}, errors.New("seed: there is more than one document")
	}
	if err := s.Check(); err != nil {
		return Seed{}, fmt.Errorf("seed: %w", err)
	}
	return s, nil
}
