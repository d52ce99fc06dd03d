package onemachine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"pacific/internal/center/client"
	"pacific/internal/center/inventory"
	"pacific/internal/center/wcp"
	"pacific/internal/onemachine/credentials"
	"pacific/internal/onemachine/layout"
)

const supervisorPath = "/api/vcenter/namespace-management/clusters/" + layout.Cluster

// spareAddresses are the floating one and one to replace a member.
const spareAddresses = 2

// enableSupervisor makes the cluster of all hosts a Supervisor, as an administrator would.
func (u *Up) enableSupervisor(ctx context.Context, _ func(string)) error {
	err := withCenter(ctx, u.layout, func(c *client.Client) error {
		return c.Do(ctx, http.MethodPost, supervisorPath+"?action=enable", u.enableSpec(), nil)
	})
	if e, ok := errors.AsType[*client.Error](err); ok && e.Envelope != nil && e.Envelope.Type == "ALREADY_EXISTS" {
		return nil
	}
	return err
}

func (u *Up) enableSpec() wcp.EnableSpec {
	o, provider, size := u.in.Options, "NSXT_CONTAINER_PLUGIN", "TINY"
	services, pods := cidr(layout.ServiceCIDR), cidr(layout.PodCIDR)
	return wcp.EnableSpec{
		SizeHint: &size, NetworkProvider: &provider, ServiceCIDR: &services,
		NCPNetwork: &wcp.NCPNetwork{PodCIDRs: []wcp.CIDR{pods}, IngressCIDRs: []wcp.CIDR{}, EgressCIDRs: []wcp.CIDR{}},
		ManagementNetwork: &wcp.ManagementNetwork{Mode: "STATICRANGE", Network: inventory.ManagementNetwork, AddressRange: &wcp.AddressRange{
			StartingAddress: u.layout.SupervisorAddress().String(), AddressCount: o.ControlPlanes + spareAddresses,
			SubnetMask: "255.255.255.0", Gateway: u.layout.Gateway().String(),
		}},
		ControlPlane: &wcp.ControlPlane{Count: &o.ControlPlanes, Deployment: strings.ToUpper(o.ControlPlane)},
	}
}

func cidr(text string) wcp.CIDR {
	address, bits, _ := strings.Cut(text, "/")
	c := wcp.CIDR{Address: address}
	_, _ = fmt.Sscan(bits, &c.Prefix) // the layout's prefixes are right
	return c
}

// supervisorState is as much of a cluster's description as up waits for.
type supervisorState struct {
	Config     string `json:"config_status"`
	Kubernetes string `json:"kubernetes_status"`
	Messages   []struct {
		Details struct {
			Text string `json:"default_message"`
		} `json:"details"`
	} `json:"messages"`
	ControlPlane struct {
		Members []struct {
			Name string `json:"name"`
			Host string `json:"host"`
		} `json:"members"`
	} `json:"control_plane"`
}

func (s supervisorState) String() string {
	var texts []string
	for _, m := range s.Messages {
		texts = append(texts, m.Details.Text)
	}
	return strings.Join(texts, "; ")
}

func getSupervisor(ctx context.Context, l layout.Layout) (state supervisorState, err error) {
	err = withCenter(ctx, l, func(c *client.Client) error { return c.Do(ctx, http.MethodGet, supervisorPath, nil, &state) })
	return state, err
}

// awaitSupervisor waits until center sees the configuration complete, takes the administrator's certificate, and tries it.
func (u *Up) awaitSupervisor(ctx context.Context, note func(string)) error {
	return u.awaitDaemons(ctx, note, []string{layout.Center}, func(ctx context.Context) error {
		state, err := getSupervisor(ctx, u.layout)
		if err != nil {
			return Pending(fmt.Sprintf("center on %s: %v", u.layout.CenterURL(), err))
		}
		if state.Config != wcp.Running {
			return Pending(state.String())
		}
		if err := ensureAdmin(ctx, u.layout); err != nil {
			return err
		}
		if err := supervisorReady(ctx, u.layout); err != nil {
			return Pending(fmt.Sprintf("the Kubernetes API on %s: %v", u.layout.Server(), err))
		}
		return nil
	})
}

// ensureAdmin gets the administrator's certificate from center where there is none, or one that runs out.
func ensureAdmin(ctx context.Context, l layout.Layout) error {
	if !credentials.AdminDue(l, time.Now()) {
		return nil
	}
	var admin credentials.Admin
	err := withCenter(ctx, l, func(c *client.Client) error {
		return c.Do(ctx, http.MethodPost, "/api/pacific/supervisors/"+layout.Cluster+"/kubeconfig", struct{}{}, &admin)
	})
	if err != nil {
		return fmt.Errorf("administrator's certificate: %w", err)
	}
	return credentials.SaveAdmin(l, admin)
}
