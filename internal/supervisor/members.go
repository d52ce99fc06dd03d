package supervisor

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"k8s.io/component-base/version"

	"pacific/internal/component"
	"pacific/internal/dataplane"
	"pacific/internal/supervisor/controllers/hostdial"
	"pacific/internal/supervisor/etcd"
	"pacific/internal/supervisor/floating"
	"pacific/internal/supervisor/leader"
	"pacific/internal/supervisor/member"
	"pacific/internal/supervisor/memberapi"
	"pacific/internal/supervisor/pki"
)

// stopElected is for each stage that the leader runs; together they end before the Lease does, that the others wait for.
const stopElected = 2 * time.Second

// ConfigOf puts what a member's configuration brings along into files, and returns the configuration of its control plane.
func ConfigOf(m member.Config) (Config, error) {
	if err := m.PKI.Install(m.DataDir); err != nil {
		return Config{}, fmt.Errorf("install what the members share: %w", err)
	}
	files, err := installHostClient(m)
	if err != nil {
		return Config{}, fmt.Errorf("install the client certificate for hosts: %w", err)
	}
	registries, err := installRegistries(m)
	if err != nil {
		return Config{}, fmt.Errorf("install the authorities of registries: %w", err)
	}
	tokens, err := installTokens(m)
	if err != nil {
		return Config{}, fmt.Errorf("install the authority of center: %w", err)
	}
	return Config{
		Member: &m, DataDir: m.DataDir, AdvertiseAddress: net.IP(m.Self().Address.AsSlice()),
		ServiceCIDR: m.ServiceCIDR.String(), PodCIDR: m.PodCIDR.String(), Host: files, RegistryConfig: registries,
		Tokens: tokens,
	}, nil
}

// installTokens gives the id by which center knows the Supervisor to its tokens as their audience.
func installTokens(m member.Config) (Tokens, error) {
	if m.Tokens == nil {
		return Tokens{}, nil
	}
	tokens := Tokens{Issuer: m.Tokens.Issuer, CA: filepath.Join(m.DataDir, "center-ca.crt"), Audience: m.Supervisor, PluginDir: m.Tokens.PluginDir}
	return tokens, renameio.WriteFile(tokens.CA, []byte(m.Tokens.CA), 0o600, renameio.IgnoreUmask())
}

func installHostClient(m member.Config) (hostdial.Files, error) {
	dir := filepath.Join(m.DataDir, "host")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return hostdial.Files{}, err
	}
	files := hostdial.Files{CA: filepath.Join(dir, "ca.crt"), Cert: filepath.Join(dir, "client.crt"), Key: filepath.Join(dir, "client.key")}
	for file, content := range map[string]string{files.CA: m.HostClient.CA, files.Key: m.HostClient.Key, files.Cert: m.HostClient.Certificate} {
		if err := renameio.WriteFile(file, []byte(content), 0o600, renameio.IgnoreUmask()); err != nil {
			return hostdial.Files{}, err
		}
	}
	return files, nil
}

// installRegistries writes the authorities of registries; who makes a member that is a process may do so again at any time.
func installRegistries(m member.Config) (string, error) {
	return member.RegistriesDir(m.DataDir), m.WriteRegistries()
}

// peers of etcd; nil for a control plane that is always alone.
func (c *Config) peers() *etcd.Peers {
	m := c.Member
	if m == nil {
		return nil
	}
	timing := m.Timing()
	return &etcd.Peers{
		Self: m.Self(), Members: m.Members, Token: m.Supervisor,
		InitialState: m.Etcd.InitialState, RestoreFrom: m.Etcd.RestoreFrom,
		Heartbeat: timing.EtcdHeartbeat, Election: timing.EtcdElection, Layout: c.layout(),
	}
}

// company is what a member has because there are others, or may be.
type company struct {
	management *memberapi.Server
	holder     *floating.Holder
	leader     *leader.Group
	dataplane  *dataplane.Component
}

// company of the member; all of it is nil for a control plane that is always alone.
func (c *Config) company(etcdEndpoint string, once []component.Stage) company {
	m := c.Member
	if m == nil {
		return company{}
	}
	var with company
	api := memberapi.Config{Member: *m, Layout: c.layout(), Etcd: etcdEndpoint, Version: version.Get().GitVersion}
	if f := m.Floating; f != nil {
		with.holder = floating.New(floating.Config{
			Address: f.Address, Interface: f.Interface, Self: m.Name, Alone: m.Alone(),
			Kubeconfig: c.layout().Kubeconfig(pki.Floating), Timing: m.Timing().Floating,
		})
		api.Holder = with.holder.Holder
	}
	if !m.Alone() {
		timing := m.Timing().Leader
		with.leader = &leader.Group{
			Identity: m.Name, Kubeconfig: c.layout().Kubeconfig(pki.Supervisor),
			Lease: timing.Lease, Renew: timing.Renew, Retry: timing.Retry,
			Stages: once, StartTimeout: startTimeout, StopOne: stopElected,
		}
		api.Leader = with.leader.Leader
	}
	if d := m.Dataplane; d != nil {
		with.dataplane = dataplane.NewComponent(dataplane.Config{
			NodeName: m.Name, NodeIP: c.AdvertiseAddress.String(), Interface: d.Interface,
			Kubeconfig: c.layout().Kubeconfig(pki.Dataplane), ControlPlane: true,
		})
	}
	with.management = memberapi.New(api)
	return with
}

// early is what needs no other component.
func (w company) early() component.Stage {
	if w.management == nil {
		return nil
	}
	return component.Stage{w.management}
}

// late is what runs when the kube-apiserver does: the components that only one member may have, by election where there
// may be others, and beside the first of them, which make its role, the network of this member.
func (w company) late(once []component.Stage) []component.Stage {
	if w.leader != nil {
		once = []component.Stage{{w.leader}}
	}
	if w.holder != nil {
		once[0] = append(once[0], w.holder)
	}
	if w.dataplane != nil {
		once[0] = append(once[0], w.dataplane)
	}
	return once
}
