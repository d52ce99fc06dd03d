package layout

import (
	"net/netip"
	"path/filepath"
)

// Center is the name of the management plane's machine.
const Center = "center"

// CenterAgents is host:port where it listens for the hosts' agents.
func (l Layout) CenterAgents() string { return netip.AddrPortFrom(l.CenterAddress(), 7440).String() }

// CenterAddress is the management plane's.
func (l Layout) CenterAddress() netip.Addr { return l.address(9) }

// CenterURL is where its API is.
func (l Layout) CenterURL() string { return "https://" + l.CenterAddress().String() }

// CenterDir is its data directory.
func (l Layout) CenterDir() string { return filepath.Join(l.Home, "center") }

// CenterPasswordFile has the administrator's first password.
func (l Layout) CenterPasswordFile() string {
	return filepath.Join(l.CenterDir(), "administrator.password")
}

// CenterCA is the authority's certificate by which clients verify center.
func (l Layout) CenterCA() string { return filepath.Join(l.CenterDir(), "pki", "ca.crt") }
