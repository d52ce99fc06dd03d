package center

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"pacific/internal/center/sso"
	"pacific/internal/center/store"
	"pacific/internal/center/wcp"
)

// catalog is what namespaces may be given.
type catalog struct{ wcp *wcp.Service }

var notInName = regexp.MustCompile(`[^a-z0-9.]+`)

// StorageClass implements [namespaces.Catalog]: the policy's name in lower case, with dashes, as the original names them.
func (c catalog) StorageClass(ctx context.Context, policy string) (string, error) {
	names, err := c.wcp.Policies.Names(ctx)
	if err != nil {
		return "", err
	}
	name, ok := names[policy]
	if !ok {
		return "", fmt.Errorf("storage policy %s: %w", policy, store.ErrNotFound)
	}
	return strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "-"), "-."), nil
}

// VMClass implements [namespaces.Catalog].
func (c catalog) VMClass(ctx context.Context, id string) error {
	exists, err := c.wcp.Classes.Exists(ctx, id)
	if err == nil && !exists {
		err = fmt.Errorf("virtual machine class %s: %w", id, store.ErrNotFound)
	}
	return err
}

// identities are the people and groups that center knows.
type identities struct{ sso *sso.Service }

// Exists implements [namespaces.Identities].
func (i identities) Exists(ctx context.Context, kind, name, domain string) (bool, error) {
	directory := i.sso.Directory
	if !strings.EqualFold(domain, directory.Domain) {
		return true, nil // an external source cannot be asked
	}
	var err error
	if kind == "GROUP" {
		_, err = directory.Group(ctx, name)
	} else {
		_, err = directory.User(ctx, name)
	}
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
