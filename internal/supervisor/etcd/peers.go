package etcd

import (
	"net/url"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"

	"pacific/internal/supervisor/member"
	"pacific/internal/supervisor/pki"
)

// Peers are what a member of more than itself needs to know.
type Peers struct {
	Self member.Member
	// Members are all members, Self among them.
	Members []member.Member
	// Token keeps members of different Supervisors apart.
	Token        string
	InitialState member.InitialState
	// RestoreFrom is a snapshot that a member without data begins with; empty for none.
	RestoreFrom         string
	Heartbeat, Election time.Duration
	Layout              pki.Layout
}

// initialCluster in etcd's own notation.
func (p *Peers) initialCluster() string {
	var all []string
	for _, m := range p.Members {
		all = append(all, m.Name+"="+m.PeerURL())
	}
	return strings.Join(all, ",")
}

// tls of the traffic between members, in both directions. A certificate for anything else is refused, though the same
// authority signed it.
func (p *Peers) tls() transport.TLSInfo {
	return transport.TLSInfo{
		CertFile: p.Layout.Cert(pki.EtcdPeer), KeyFile: p.Layout.Key(pki.EtcdPeer),
		TrustedCAFile: p.Layout.Cert(pki.MemberCA), ClientCertAuth: true, AllowedCNs: []string{pki.EtcdPeerName},
	}
}

func (p *Peers) apply(config *embed.Config) error {
	peer, err := url.Parse(p.Self.PeerURL())
	if err != nil {
		return err
	}
	config.Name = p.Self.Name
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	config.InitialCluster, config.InitialClusterToken = p.initialCluster(), p.Token
	config.ClusterState = string(p.InitialState)
	config.PeerTLSInfo = p.tls()
	config.TickMs, config.ElectionMs = uint(p.Heartbeat.Milliseconds()), uint(p.Election.Milliseconds())
	// A member whose data differ from the others' must not serve them.
	config.ExperimentalInitialCorruptCheck = len(p.Members) > 1
	return nil
}
