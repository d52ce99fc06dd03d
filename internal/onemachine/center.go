package onemachine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"pacific/internal/center/client"
	"pacific/internal/center/hosts"
	"pacific/internal/onemachine/layout"
)

// administrator of center.
const administrator = "administrator@pacific.local"

// CenterStatus is the management plane's.
type CenterStatus struct {
	Ready        bool   `json:"ready"`
	URL          string `json:"url"`
	Username     string `json:"username"`
	PasswordFile string `json:"passwordFile"`
	CA           string `json:"ca"`
	Message      string `json:"message,omitempty"`
}

// Center is a client of center as administrator.
func Center(l layout.Layout) (*client.Client, error) {
	password, err := os.ReadFile(l.CenterPasswordFile())
	if err != nil {
		return nil, fmt.Errorf("password of center's administrator: %w", err)
	}
	ca, err := os.ReadFile(l.CenterCA())
	if err != nil {
		return nil, fmt.Errorf("center's authority: %w", err)
	}
	return client.New(client.Config{URL: l.CenterURL(), Username: administrator, Password: strings.TrimSpace(string(password)), CA: ca})
}

// withCenter calls center in a session of its own.
func withCenter(ctx context.Context, l layout.Layout, do func(*client.Client) error) error {
	c, err := Center(l)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }() // it would end by itself
	return do(c)
}

// centerHosts are the hosts that have joined, by name.
func centerHosts(ctx context.Context, l layout.Layout) (map[string]hosts.Info, error) {
	var list []hosts.Info
	err := withCenter(ctx, l, func(c *client.Client) error { return c.Do(ctx, http.MethodGet, "/api/pacific/hosts", nil, &list) })
	byName := map[string]hosts.Info{}
	for _, host := range list {
		byName[host.Name] = host
	}
	return byName, err
}

// centerStatus fills in the hosts' states too.
func centerStatus(ctx context.Context, l layout.Layout, list []HostStatus) CenterStatus {
	status := CenterStatus{URL: l.CenterURL(), Username: administrator, PasswordFile: l.CenterPasswordFile(), CA: l.CenterCA()}
	known, err := centerHosts(ctx, l)
	if err != nil {
		status.Message = err.Error()
		return status
	}
	status.Ready = true
	for i := range list {
		list[i].State = string(known[list[i].Name].State)
	}
	return status
}

func (u *Up) awaitCenter(ctx context.Context, note func(string)) error {
	return u.awaitDaemons(ctx, note, []string{layout.Center}, func(ctx context.Context) error {
		_, err := centerHosts(ctx, u.layout)
		if e, ok := errors.AsType[*client.Error](err); ok && e.Status == http.StatusUnauthorized {
			return fmt.Errorf("center on %s: %w; %s must hold the password of %s", u.layout.CenterURL(), err, u.layout.CenterPasswordFile(), administrator)
		}
		if err != nil {
			return Pending(fmt.Sprintf("center on %s: %v", u.layout.CenterURL(), err))
		}
		return nil
	})
}
