// Package bootstrap applies the objects that a Supervisor must have, and keeps them as they must be.
package bootstrap

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

//go:embed *.yaml
var manifests embed.FS

const (
	fieldManager = "pacific-supervisor"
	// retryInterval is for a kube-apiserver that is ready but busy; reapplyInterval undoes what somebody changed.
	// Applying what is there already writes nothing.
	retryInterval   = time.Second
	reapplyInterval = 10 * time.Minute
)

// Applier is the component.
type Applier struct {
	kubeconfig string
	more       []Source
}

// Source makes more objects, as YAML documents, that depend on the installation.
type Source func() ([]byte, error)

// New returns an applier that acts as the user of a kubeconfig, who must be able to grant every right in the manifests.
func New(kubeconfig string, more ...Source) *Applier {
	return &Applier{kubeconfig: kubeconfig, more: more}
}

// Name of the component.
func (*Applier) Name() string { return "bootstrap objects" }

// Run applies the objects again and again; it is ready after the first time that all of them were applied.
func (a *Applier) Run(ctx context.Context, ready func()) error {
	objects, err := a.objects()
	if err != nil {
		return err
	}
	target, err := a.connect()
	if err != nil {
		return err
	}
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if target.applyUntilDone(ctx, objects) == nil {
			ready()
		}
	}, reapplyInterval)
	return ctx.Err()
}

func (a *Applier) objects() ([]*unstructured.Unstructured, error) {
	objects, err := load(manifests)
	if err != nil {
		return nil, err
	}
	for _, source := range a.more {
		data, err := source()
		if err != nil {
			return nil, err
		}
		more, err := decode(data)
		if err != nil {
			return nil, err
		}
		objects = append(objects, more...)
	}
	return objects, nil
}

// cluster is what objects are applied to.
type cluster struct {
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

func (a *Applier) connect() (*cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", a.kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	discovery, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return &cluster{client: client, mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovery))}, nil
}

func (c *cluster) applyUntilDone(ctx context.Context, objects []*unstructured.Unstructured) error {
	return wait.PollUntilContextCancel(ctx, retryInterval, true, func(ctx context.Context) (bool, error) {
		for _, object := range objects {
			if err := c.apply(ctx, object); err != nil {
				klog.ErrorS(err, "Cannot apply bootstrap object; will try again", "after", retryInterval)
				return false, nil
			}
		}
		return true, nil
	})
}

func (c *cluster) apply(ctx context.Context, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind.Kind, object.GetName(), err)
	}
	_, err = c.client.Resource(mapping.Resource).Namespace(object.GetNamespace()).
		Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind.Kind, object.GetName(), err)
	}
	return nil
}

// load reads all objects of all files, in the order of the files' names.
func load(files fs.FS) ([]*unstructured.Unstructured, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, err
	}
	var all []*unstructured.Unstructured
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		objects, err := decode(data)
		if err != nil {
			return nil, fmt.Errorf("manifest %s: %w", name, err)
		}
		all = append(all, objects...)
	}
	return all, nil
}
