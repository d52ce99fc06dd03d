package etcd

import (
	"fmt"
	"os"
	"sync/atomic"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
)

// revisionBump is more than any Supervisor writes between a snapshot and its restoration, so that clients, which may have
// seen later revisions than the snapshot's, notice that they have to read everything again.
const revisionBump = 1_000_000_000

// restore makes the data directory from a snapshot. It is there whole or not at all.
func (p *Peers) restore(data string) error {
	half := data + ".restoring"
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	if _, err := os.Stat(p.RestoreFrom); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	err := snapshot.NewV3(newLogger(new(atomic.Bool))).Restore(snapshot.RestoreConfig{
		SnapshotPath: p.RestoreFrom, OutputDataDir: half,
		Name: p.Self.Name, PeerURLs: []string{p.Self.PeerURL()},
		InitialCluster: p.initialCluster(), InitialClusterToken: p.Token,
		RevisionBump: revisionBump, MarkCompacted: true,
	})
	if err != nil {
		return fmt.Errorf("restore %s: %w", p.RestoreFrom, err)
	}
	return os.Rename(half, data)
}
