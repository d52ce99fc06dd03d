// Package noderole gives every host the role that `kubectl get nodes` shows. A host cannot do it itself: NodeRestriction
// keeps nodes from labels that could draw workloads to them.
package noderole

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"pacific/internal/supervisor/controllers/reconcile"
)

// Label makes the role of a host "agent".
const Label = "node-role.kubernetes.io/agent"

var patch = fmt.Appendf(nil, `{"metadata":{"labels":{%q:""}}}`, Label)

// Controller labels nodes.
type Controller struct {
	client kubernetes.Interface
	nodes  corelisters.NodeLister
	synced cache.InformerSynced
	loop   *reconcile.Loop[string]
}

// NewController makes a controller that works once the informers are started and Run is called.
func NewController(client kubernetes.Interface, informers informers.SharedInformerFactory) (*Controller, error) {
	nodes := informers.Core().V1().Nodes()
	c := &Controller{
		client: client,
		nodes:  nodes.Lister(),
		loop:   reconcile.New[string]("noderole"),
	}
	registration, err := nodes.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.changed,
		UpdateFunc: func(_, node any) { c.changed(node) },
	})
	if err != nil {
		return nil, err
	}
	c.synced = registration.HasSynced
	return c, nil
}

func (c *Controller) changed(object any) {
	if node, ok := object.(*corev1.Node); ok && !labelled(node) {
		c.loop.Add(node.Name)
	}
}

func labelled(node *corev1.Node) bool {
	_, ok := node.Labels[Label]
	return ok
}

// Run labels nodes until ctx is cancelled.
func (c *Controller) Run(ctx context.Context) error {
	if !cache.WaitForCacheSync(ctx.Done(), c.synced) {
		return ctx.Err()
	}
	return c.loop.Run(ctx, 1, c.sync)
}

func (c *Controller) sync(ctx context.Context, name string) error {
	node, err := c.nodes.Get(name)
	if apierrors.IsNotFound(err) || err == nil && labelled(node) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
