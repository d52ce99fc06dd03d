// Package ipam hands out the addresses of pods.
//
// The allocator has no storage of its own: what it holds is rebuilt from the annotations of all pods at every start.
package ipam

import (
	"errors"
	"net/netip"
	"sync"
)

// ErrExhausted says that every usable address of a prefix is held.
var ErrExhausted = errors.New("no free address")

// Allocator knows which owner holds which address. It is safe for concurrent use.
//
// Every address that is in use must be held (Hold) BEFORE the first call of Allocate, or it is handed out twice.
type Allocator struct {
	mu     sync.Mutex
	owners map[netip.Addr]string
	held   map[string][]netip.Addr
	// last is the address given last, by prefix. The search goes on behind it (next-fit), so that an address rests as
	// long as possible before its next owner gets it: peers may still have connections to the former one.
	last map[netip.Prefix]netip.Addr
}

// New returns an allocator that holds nothing.
func New() *Allocator {
	return &Allocator{
		owners: map[netip.Addr]string{},
		held:   map[string][]netip.Addr{},
		last:   map[netip.Prefix]netip.Addr{},
	}
}

// Hold records that owner has the address, which must be a usable one of the prefix. It returns false when that is not so
// or when another owner holds it.
func (a *Allocator) Hold(owner string, prefix netip.Prefix, addr netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	prefix = prefix.Masked()
	if !Usable(prefix, addr) {
		return false
	}
	switch a.owners[addr] {
	case owner:
		return true
	case "":
		a.give(owner, prefix, addr)
		return true
	}
	return false
}

// Allocate returns the address that owner holds in the prefix, or gives it the next free one. The error is ErrExhausted.
func (a *Allocator) Allocate(owner string, prefix netip.Prefix) (netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	prefix = prefix.Masked()
	for _, addr := range a.held[owner] {
		if prefix.Contains(addr) {
			return addr, nil
		}
	}
	addr, ok := a.nextFree(prefix)
	if !ok {
		return netip.Addr{}, ErrExhausted
	}
	a.give(owner, prefix, addr)
	return addr, nil
}

// Release takes all addresses from owner and returns them.
func (a *Allocator) Release(owner string) []netip.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	released := a.held[owner]
	for _, addr := range released {
		delete(a.owners, addr)
	}
	delete(a.held, owner)
	return released
}

func (a *Allocator) give(owner string, prefix netip.Prefix, addr netip.Addr) {
	a.owners[addr] = owner
	a.held[owner] = append(a.held[owner], addr)
	a.last[prefix] = addr
}

// nextFree goes once round the prefix. In a prefix larger than the number of owners it ends at the first gap.
func (a *Allocator) nextFree(prefix netip.Prefix) (netip.Addr, bool) {
	start, ok := a.last[prefix]
	if !ok {
		start = prefix.Addr().Prev() // so that the first candidate is the prefix's first address
	}
	for addr := after(prefix, start); ; addr = after(prefix, addr) {
		if Usable(prefix, addr) && a.owners[addr] == "" {
			return addr, true
		}
		if addr == start || (!ok && addr == lastOf(prefix)) {
			return netip.Addr{}, false
		}
	}
}

// after is the next address of the prefix, or its first one behind its last.
func after(prefix netip.Prefix, addr netip.Addr) netip.Addr {
	if next := addr.Next(); prefix.Contains(next) {
		return next
	}
	return prefix.Addr()
}

// Usable tells whether a pod may have the address. The first one of a prefix is the network (IPv4) or the subnet-router
// anycast address (IPv6), the last one of an IPv4 prefix the broadcast address; prefixes of one or two addresses have
// neither (RFC 3021, RFC 6164).
func Usable(prefix netip.Prefix, addr netip.Addr) bool {
	prefix = prefix.Masked()
	if !prefix.Contains(addr) {
		return false
	}
	if addr.BitLen()-prefix.Bits() <= 1 {
		return true
	}
	if addr == prefix.Addr() {
		return false
	}
	return addr.Is6() || addr != lastOf(prefix)
}

func lastOf(prefix netip.Prefix) netip.Addr {
	bytes := prefix.Masked().Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 1 << (7 - bit%8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}
