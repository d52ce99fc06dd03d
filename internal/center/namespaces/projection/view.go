package projection

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	namespaceapi "pacific/api/namespace"
)

// requestTimeout is for one call of a Supervisor that hangs; watches are not bound by it.
const requestTimeout = 30 * time.Second

// Changes are told to whoever brings things in order. The functions must not block.
type Changes struct {
	// Namespace of that name, or something of center's in it, has changed.
	Namespace func(name string)
	// Cluster: an object that belongs to no namespace has changed.
	Cluster func()
}

// View of a Supervisor: all Namespaces, and all objects of center's, kept up to date by watches.
type View struct {
	client     kubernetes.Interface
	dynamic    dynamic.Interface
	namespaces corelisters.NamespaceLister
	stores     map[string]cache.Store // by kind
	factories  []informers.SharedInformerFactory
	synced     []cache.InformerSynced
}

// NewView makes a view that begins with Run.
func NewView(config *rest.Config, changes Changes) (*View, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "pacific-center"
	// The API server's own priority and fairness is what limits center.
	config.QPS = -1
	calls := rest.CopyConfig(config)
	calls.Timeout = requestTimeout
	client, err := kubernetes.NewForConfig(calls)
	if err != nil {
		return nil, err
	}
	apply, err := dynamic.NewForConfig(calls)
	if err != nil {
		return nil, err
	}
	watches, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	v := &View{client: client, dynamic: apply, stores: map[string]cache.Store{}}
	return v, v.watch(watches, changes)
}

func (v *View) watch(client kubernetes.Interface, changes Changes) error {
	all := informers.NewSharedInformerFactory(client, 0)
	own := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.LabelSelector = namespaceapi.LabelManaged + "=" + namespaceapi.ManagedByCenter
	}))
	v.factories = []informers.SharedInformerFactory{all, own}
	v.namespaces = all.Core().V1().Namespaces().Lister()
	err := v.on(all.Core().V1().Namespaces().Informer(), func(o metav1.Object) { changes.Namespace(o.GetName()) })
	for _, k := range kinds {
		informer := k.informer(own)
		v.stores[k.name] = informer.GetStore()
		changed := func(metav1.Object) { changes.Cluster() }
		if k.namespaced {
			changed = func(o metav1.Object) { changes.Namespace(o.GetNamespace()) }
		}
		if err == nil {
			err = v.on(informer, changed)
		}
	}
	return err
}

func (v *View) on(informer cache.SharedIndexInformer, changed func(metav1.Object)) error {
	see := func(object any) {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		if o, err := meta.Accessor(object); err == nil {
			changed(o)
		}
	}
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: see, UpdateFunc: func(_, o any) { see(o) }, DeleteFunc: see})
	if err != nil {
		return err
	}
	v.synced = append(v.synced, registration.HasSynced)
	return nil
}

// Run keeps the view until ctx is cancelled; it calls ready once all is seen.
func (v *View) Run(ctx context.Context, ready func()) {
	for _, f := range v.factories {
		f.StartWithContext(ctx)
		defer f.Shutdown()
	}
	if cache.WaitForCacheSync(ctx.Done(), v.synced...) {
		ready()
	}
	<-ctx.Done()
}

// Reach asks the Supervisor for its version, so that a caller has the reason why a view does not get ready.
func (v *View) Reach(ctx context.Context) error {
	_, err := v.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("the API server does not answer: %w", err)
	}
	return nil
}

// Namespace as last seen, nil if there is none.
func (v *View) Namespace(name string) *corev1.Namespace {
	ns, err := v.namespaces.Get(name)
	if err != nil {
		return nil
	}
	return ns
}

// Namespaces as last seen.
func (v *View) Namespaces() ([]*corev1.Namespace, error) {
	return v.namespaces.List(everything)
}

// actual object as last seen, nil if there is none.
func (v *View) actual(o Object) map[string]any {
	if o.GetKind() == "Namespace" {
		if ns := v.Namespace(o.GetName()); ns != nil {
			return content(ns)
		}
		return nil
	}
	name := cache.NewObjectName(o.GetNamespace(), o.GetName()).String()
	typed, exists, err := v.stores[o.GetKind()].GetByKey(name)
	if err != nil || !exists {
		return nil
	}
	return content(typed)
}
