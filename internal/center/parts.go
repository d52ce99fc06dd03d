package center

import (
	"context"
	"net"
	"strconv"

	"google.golang.org/grpc"
	"k8s.io/component-base/version"

	"pacific/internal/center/controlplane"
	"pacific/internal/center/hosts"
	"pacific/internal/center/machines"
	"pacific/internal/center/namespaces"
	"pacific/internal/center/placement/advisor"
	placementfleet "pacific/internal/center/placement/fleet"
	"pacific/internal/center/soap"
	"pacific/internal/center/sso"
	"pacific/internal/center/store"
	"pacific/internal/center/wcp"
	"pacific/internal/pki"
	"pacific/internal/supervisor/member"
)

// parts of center, and how they see each other.
type parts struct {
	all  []part
	soap *soap.Handler
}

func (s *services) parts(ctx context.Context, records *store.Store, signOn *sso.Service) (parts, error) {
	hostCA, err := pki.LoadCA(s.config.hostCA())
	if err != nil {
		return parts{}, err
	}
	centerCA, err := pki.LoadCA(Layout{s.config.DataDir}.CA())
	if err != nil {
		return parts{}, err
	}
	fleet := &fleet{}
	var tenants *namespaces.Service
	used := &poolMeter{}
	platform := wcp.New(wcp.Config{
		Store: records, Fleet: fleet, HostCA: hostCA, Version: version.Get().GitVersion,
		Tokens: member.Tokens{Issuer: s.config.issuer(), CA: string(centerCA.PEM())},
		Deployers: map[string]wcp.Deployer{
			wcp.Process: controlplane.Processes{Report: fleet.report},
			wcp.VM:      controlplane.Machines{Dial: func(ctx context.Context, host string) (*grpc.ClientConn, error) { return fleet.hosts.Dial(ctx, host) }},
		},
		Registries:       s.config.registries,
		RemoveNamespaces: func(ctx context.Context, cluster string) ([]string, error) { return tenants.Of(ctx, cluster) },
	})
	if err := platform.EnsureBuiltin(ctx); err != nil {
		return parts{}, err
	}
	if fleet.hosts, err = s.hosts(records, centerCA, hostCA, platform); err != nil {
		return parts{}, err
	}
	tenants = namespaces.New(namespaces.Config{
		Store: records, Supervisors: supervisors{platform, fleet}, Catalog: catalog{platform}, Identities: identities{signOn},
		Meter:          used,
		Administrators: "sso:Administrators@" + s.config.Domain,
	})
	platform.Classes.Users = tenants.ClassUsers
	division := newPoolDivision(fleet.hosts, tenants)
	used.division.Store(division.Pools)
	running := machines.New(records, fleet.hosts)
	running.Addresses, running.Pools = platform.PodAddresses, poolsShown{tenants}.list
	room := placementfleet.New(records, fleet.hosts)
	shown := shown{records: records, fleet: fleet, wcp: platform, namespaces: tenants, machines: running}
	return parts{
		all:  []part{signOn, s.tokens(records, signOn), fleet.hosts, running, platform, tenants, division, advisor.New(records, room)},
		soap: soap.New(logins{signOn}, shown.inventory, version.Get().GitVersion),
	}, nil
}

func (s *services) hosts(records *store.Store, centerCA, hostCA *pki.CA, platform *wcp.Service) (*hosts.Hosts, error) {
	layout := Layout{s.config.DataDir}
	cert, key := layout.Serving()
	return hosts.New(hosts.Config{
		Store: records, Listen: net.JoinHostPort(s.config.Address.String(), strconv.Itoa(hosts.AgentPort)),
		Cert: cert, Key: key, CenterCA: centerCA, HostCA: hostCA, ClientDir: layout.pki(""), Supervisors: platform,
	})
}
