package chaos

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/client-go/kubernetes"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/onemachine"
	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
)

// Cluster is the instance that suffers.
type Cluster struct {
	layout.Layout
	Instance instance.Instance
	Client   kubernetes.Interface
}

// Open finds the instance in a home directory.
func Open(home string) (*Cluster, error) {
	in, err := instance.Load(home)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Instance: in, Layout: layout.Layout{ID: in.ID, Home: in.Home}}
	config, err := onemachine.RESTConfig(c.Layout)
	if err != nil {
		return nil, err
	}
	// A call into a Supervisor that was killed meanwhile must not hang.
	config.Timeout = 10 * time.Second
	c.Client, err = kubernetes.NewForConfig(config)
	return c, err
}

// Inventory is what exists on a host.
func (c *Cluster) Inventory(ctx context.Context, host string) (*hostv1.GetInventoryResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := onemachine.DialHost(c.Layout, slices.Index(c.Hosts(), host)+1)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	inventory, err := hostv1.NewHostClient(conn).GetInventory(ctx, &hostv1.GetInventoryRequest{})
	if err != nil {
		return nil, fmt.Errorf("inventory of %s: %w", host, err)
	}
	return inventory, nil
}
