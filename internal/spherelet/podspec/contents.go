package podspec

import (
	"context"
	"fmt"
	"path"
	"sync"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/spherelet/scratch"
)

// Contents is everything outside the Pod object that a pod's configuration is made of.
type Contents struct {
	ConfigMaps map[string]*v1.ConfigMap
	Secrets    map[string]*v1.Secret
	Tokens     map[TokenKey]string
	Services   []*v1.Service
	// HostFiles are copies of files of the host, by path.
	HostFiles map[string][]byte
	// Scratch has the files of scratch directories, by the directories' paths.
	Scratch map[string][]*agentv1.File

	// Errors of what could not be read, by reference and by token.
	Missing       map[Reference]error
	MissingTokens map[TokenKey]error
	MissingFiles  map[string]error
	// RenewAt is when the first of the tokens should be renewed; zero if there are none.
	RenewAt time.Time
}

// TokenKey is the place of a projected service account token.
type TokenKey struct{ Volume, Path string }

// Objects reads single ConfigMaps and Secrets.
type Objects interface {
	ConfigMap(ctx context.Context, namespace, name string) (*v1.ConfigMap, error)
	Secret(ctx context.Context, namespace, name string) (*v1.Secret, error)
}

// Tokens issues service account tokens, or returns one that is still fresh.
type Tokens interface {
	Token(ctx context.Context, namespace, serviceAccount string, request *authv1.TokenRequest) (*authv1.TokenRequest, error)
}

// Services lists the Services of all namespaces; it waits until they are known.
type Services func(ctx context.Context) ([]*v1.Service, error)

// Files reads copies of the host's files that pods may have.
type Files interface {
	Read(path string) ([]byte, error)
}

// Scratch reads scratch directories of the node, and makes one that is not there if it shall.
type Scratch interface {
	Read(dir string, create bool) ([]*agentv1.File, error)
}

// Collector reads the contents of pods.
type Collector struct {
	Objects  Objects
	Tokens   Tokens
	Services Services
	Files    Files
	Scratch  Scratch
}

// Collect reads all that the pod names, side by side. What cannot be read is noted in the result; only a lack of Services
// is an error, since then nothing can be said about any container.
func (c *Collector) Collect(ctx context.Context, pod *v1.Pod) (*Contents, error) {
	out := &Contents{ConfigMaps: map[string]*v1.ConfigMap{}, Secrets: map[string]*v1.Secret{}, Tokens: map[TokenKey]string{},
		Missing: map[Reference]error{}, MissingTokens: map[TokenKey]error{}, HostFiles: map[string][]byte{}, MissingFiles: map[string]error{},
		Scratch: map[string][]*agentv1.File{}}
	for _, path := range HostFiles(pod) {
		if data, err := c.Files.Read(path); err != nil {
			out.MissingFiles[path] = err
		} else {
			out.HostFiles[path] = data
		}
	}
	c.scratch(pod, out)
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, ref := range References(pod) {
		all.Go(func() { c.read(ctx, pod, ref, out, &mu) })
	}
	for key, projection := range tokenProjections(pod) {
		all.Go(func() { c.token(ctx, pod, key, projection, out, &mu) })
	}
	services, err := c.Services(ctx)
	all.Wait()
	if err != nil {
		return nil, fmt.Errorf("services are not known yet, so the containers' environment cannot be made: %w", err)
	}
	out.Services = services
	return out, nil
}

func (c *Collector) scratch(pod *v1.Pod, out *Contents) {
	for _, v := range pod.Spec.Volumes {
		if !scratch.Is(v.HostPath) {
			continue
		}
		dir := path.Clean(v.HostPath.Path)
		files, err := c.Scratch.Read(dir, ptr.Deref(v.HostPath.Type, v1.HostPathUnset) != v1.HostPathDirectory)
		if err != nil {
			out.MissingFiles[dir] = err
		} else {
			out.Scratch[dir] = files
		}
	}
}

func (c *Collector) read(ctx context.Context, pod *v1.Pod, ref Reference, out *Contents, mu *sync.Mutex) {
	var err error
	var secret *v1.Secret
	var configMap *v1.ConfigMap
	if ref.Secret {
		secret, err = c.Objects.Secret(ctx, pod.Namespace, ref.Name)
	} else {
		configMap, err = c.Objects.ConfigMap(ctx, pod.Namespace, ref.Name)
	}
	mu.Lock()
	defer mu.Unlock()
	switch {
	case err != nil:
		out.Missing[ref] = err
	case ref.Secret:
		out.Secrets[ref.Name] = secret
	default:
		out.ConfigMaps[ref.Name] = configMap
	}
}

func (c *Collector) token(ctx context.Context, pod *v1.Pod, key TokenKey, projection *v1.ServiceAccountTokenProjection, out *Contents, mu *sync.Mutex) {
	issued, err := c.Tokens.Token(ctx, pod.Namespace, pod.Spec.ServiceAccountName, tokenRequest(pod, projection))
	mu.Lock()
	defer mu.Unlock()
	if err != nil {
		out.MissingTokens[key] = err
		return
	}
	out.Tokens[key] = issued.Status.Token
	if at := RenewAt(issued); out.RenewAt.IsZero() || at.Before(out.RenewAt) {
		out.RenewAt = at
	}
}

// tokenRequest binds the token to the pod, so that it dies with it.
func tokenRequest(pod *v1.Pod, projection *v1.ServiceAccountTokenProjection) *authv1.TokenRequest {
	var audiences []string
	if projection.Audience != "" {
		audiences = []string{projection.Audience}
	}
	return &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{
		Audiences:         audiences,
		ExpirationSeconds: projection.ExpirationSeconds,
		BoundObjectRef:    &authv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
}

// RenewAt is the time at which a token has used up 80 % of its life, or a day: what comes first, as with the kubelet.
func RenewAt(t *authv1.TokenRequest) time.Time {
	life := time.Hour
	if t.Spec.ExpirationSeconds != nil {
		life = time.Duration(*t.Spec.ExpirationSeconds) * time.Second
	}
	expires := t.Status.ExpirationTimestamp.Time
	at := expires.Add(-life / 5)
	if day := expires.Add(-life).Add(24 * time.Hour); day.Before(at) {
		return day
	}
	return at
}

func tokenProjections(pod *v1.Pod) map[TokenKey]*v1.ServiceAccountTokenProjection {
	found := map[TokenKey]*v1.ServiceAccountTokenProjection{}
	for _, v := range pod.Spec.Volumes {
		for _, s := range sources(v) {
			if t := s.ServiceAccountToken; t != nil {
				found[TokenKey{v.Name, t.Path}] = t
			}
		}
	}
	return found
}
