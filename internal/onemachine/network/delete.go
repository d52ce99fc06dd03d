package network

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"

	"pacific/internal/dump"
	"pacific/internal/onemachine/layout"
	"pacific/internal/wire"
)

// Delete removes what [Apply] made for this instance. It looks at what is there, not at a plan, so that leftovers of
// hosts that were planned once go too.
func Delete(ctx context.Context, l layout.Layout) error {
	var errs []error
	names, err := wire.NamespacesWithPrefix(l.Namespace(""))
	errs = append(errs, err)
	for _, name := range names {
		errs = append(errs, wire.DeleteNamespace(name))
	}
	errs = append(errs, deleteLinks(l))
	if err := deleteTable(ctx, l.Table()); err != nil {
		errs = append(errs, fmt.Errorf("delete nftables table %s: %w", l.Table(), err))
	}
	return errors.Join(errs...)
}

func deleteLinks(l layout.Layout) error {
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	var errs []error
	for _, link := range links {
		name := link.Attrs().Name
		if name == l.Bridge() || strings.HasPrefix(name, l.Bridge()+"-") {
			errs = append(errs, wire.DeleteLink(name))
		}
	}
	return errors.Join(errs...)
}
