// Package references reads and watches the ConfigMaps and Secrets that pods of this node name, each by its own name,
// since the node authorizer allows a node no more than that.
package references

import (
	"context"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"pacific/internal/spherelet/podspec"
)

// Store keeps what the registered pods name. It implements podspec.Objects.
type Store struct {
	client  kubernetes.Interface
	changed func(types.UID)

	mu      sync.Mutex
	objects map[key]*object
}

type key struct {
	podspec.Reference
	namespace string
}

type object struct {
	users  map[types.UID]bool
	cancel context.CancelFunc
	store  cache.Store
	synced func() bool
	// given: the users have been given an answer, of this version, "" for "not found".
	given   bool
	version string
}

// NewStore makes a store that calls changed for each pod that names an object which has changed.
func NewStore(client kubernetes.Interface, changed func(types.UID)) *Store {
	return &Store{client: client, changed: changed, objects: map[key]*object{}}
}

// Register starts to watch what the pod names.
func (s *Store) Register(pod *v1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ref := range podspec.References(pod) {
		k := key{ref, pod.Namespace}
		o := s.objects[k]
		if o == nil {
			o = &object{users: map[types.UID]bool{}}
			s.objects[k] = o
			s.watch(k, o)
		}
		o.users[pod.UID] = true
	}
}

// Unregister ends the watches that no other pod needs.
func (s *Store) Unregister(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, o := range s.objects {
		if !o.users[uid] {
			continue
		}
		delete(o.users, uid)
		if len(o.users) == 0 {
			o.cancel()
			delete(s.objects, k)
		}
	}
}

func (s *Store) watch(k key, o *object) {
	notify := func(any) { s.notify(k) }
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: s.listWatch(k),
		ObjectType:    emptyOf(k),
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc: notify, UpdateFunc: func(_, n any) { notify(n) }, DeleteFunc: notify,
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel, o.store, o.synced = cancel, store, controller.HasSynced
	go controller.RunWithContext(ctx)
}

func emptyOf(k key) runtime.Object {
	if k.Secret {
		return &v1.Secret{}
	}
	return &v1.ConfigMap{}
}

func (s *Store) listWatch(k key) cache.ListerWatcher {
	one := fields.OneTermEqualSelector("metadata.name", k.Name).String()
	core := s.client.CoreV1()
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = one
			if k.Secret {
				return core.Secrets(k.namespace).List(ctx, o)
			}
			return core.ConfigMaps(k.namespace).List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = one
			if k.Secret {
				return core.Secrets(k.namespace).Watch(ctx, o)
			}
			return core.ConfigMaps(k.namespace).Watch(ctx, o)
		},
	}, s.client)
}

// notify tells the users of an object when it is not what they were given.
func (s *Store) notify(k key) {
	s.mu.Lock()
	var users []types.UID
	if o := s.objects[k]; o != nil && o.given {
		if version := versionIn(o.store, k); version != o.version {
			o.version = version
			for uid := range o.users {
				users = append(users, uid)
			}
		}
	}
	s.mu.Unlock()
	for _, uid := range users {
		s.changed(uid)
	}
}

func versionIn(store cache.Store, k key) string {
	have, ok, _ := store.GetByKey(k.namespace + "/" + k.Name)
	if !ok {
		return ""
	}
	return have.(metav1.Object).GetResourceVersion()
}

// ConfigMap returns the ConfigMap, or the API server's error.
func (s *Store) ConfigMap(ctx context.Context, namespace, name string) (*v1.ConfigMap, error) {
	have, err := s.get(ctx, key{podspec.Reference{Name: name}, namespace}, func() (runtime.Object, error) {
		return s.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	})
	if err != nil {
		return nil, err
	}
	return have.(*v1.ConfigMap), nil
}

// Secret returns the Secret, or the API server's error.
func (s *Store) Secret(ctx context.Context, namespace, name string) (*v1.Secret, error) {
	have, err := s.get(ctx, key{podspec.Reference{Secret: true, Name: name}, namespace}, func() (runtime.Object, error) {
		return s.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	})
	if err != nil {
		return nil, err
	}
	return have.(*v1.Secret), nil
}

// get takes the object from the watch where that is complete, else asks directly, which is sooner than a new watch.
func (s *Store) get(ctx context.Context, k key, ask func() (runtime.Object, error)) (any, error) {
	s.mu.Lock()
	o := s.objects[k]
	s.mu.Unlock()
	if o != nil && o.synced() {
		if have, ok, _ := o.store.GetByKey(k.namespace + "/" + k.Name); ok {
			s.gave(k, have.(metav1.Object).GetResourceVersion())
			return have, nil
		}
	}
	var have runtime.Object
	err := Patiently(ctx, func() (err error) {
		have, err = ask()
		return err
	})
	switch {
	case apierrors.IsNotFound(err):
		s.gave(k, "")
		return nil, err
	case err != nil:
		return nil, err
	}
	s.gave(k, have.(metav1.Object).GetResourceVersion())
	return have, nil
}

// gave notes what the users know; the watch may be ahead of it already.
func (s *Store) gave(k key, version string) {
	s.mu.Lock()
	o := s.objects[k]
	if o != nil {
		o.given, o.version = true, version
	}
	s.mu.Unlock()
	if o != nil && o.synced() {
		s.notify(k)
	}
}

// Patiently calls ask again while the API server forbids it: the node authorizer learns that a pod was bound to this node
// some milliseconds after the node itself does.
func Patiently(ctx context.Context, ask func() error) error {
	deadline := time.Now().Add(2 * time.Second)
	for delay := 5 * time.Millisecond; ; delay *= 2 {
		err := ask()
		if !apierrors.IsForbidden(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(delay):
		}
	}
}
