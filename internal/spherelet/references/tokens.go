package references

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"pacific/internal/spherelet/podspec"
)

// Tokens issues service account tokens by the TokenRequest API and keeps them, in memory only, until they are due for
// renewal. It implements podspec.Tokens.
type Tokens struct {
	client kubernetes.Interface

	mu     sync.Mutex
	issued map[tokenKey]*authv1.TokenRequest
}

type tokenKey struct {
	pod                                  types.UID
	namespace, serviceAccount, audiences string
	seconds                              int64
}

// NewTokens makes a cache of tokens.
func NewTokens(client kubernetes.Interface) *Tokens {
	return &Tokens{client: client, issued: map[tokenKey]*authv1.TokenRequest{}}
}

// Token returns a token that is still fresh. A renewal that fails leaves the old token in use while it is valid.
func (t *Tokens) Token(ctx context.Context, namespace, serviceAccount string, request *authv1.TokenRequest) (*authv1.TokenRequest, error) {
	k := tokenKey{request.Spec.BoundObjectRef.UID, namespace, serviceAccount, strings.Join(request.Spec.Audiences, ","), 0}
	if s := request.Spec.ExpirationSeconds; s != nil {
		k.seconds = *s
	}
	have := t.get(k)
	if have != nil && time.Now().Before(podspec.RenewAt(have)) {
		return have, nil
	}
	var issued *authv1.TokenRequest
	err := Patiently(ctx, func() (err error) {
		issued, err = t.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, serviceAccount, request, metav1.CreateOptions{})
		return err
	})
	switch {
	case err == nil:
		t.mu.Lock()
		defer t.mu.Unlock()
		t.issued[k] = issued
		return issued, nil
	case have != nil && time.Now().Before(have.Status.ExpirationTimestamp.Time):
		klog.ErrorS(err, "Token could not be renewed; the old one stays in use", "serviceAccount", klog.KRef(namespace, serviceAccount))
		return have, nil
	}
	return nil, fmt.Errorf("token of service account %s/%s: %w", namespace, serviceAccount, err)
}

func (t *Tokens) get(k tokenKey) *authv1.TokenRequest {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.issued[k]
}

// Forget drops the tokens of a pod.
func (t *Tokens) Forget(pod types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.issued {
		if k.pod == pod {
			delete(t.issued, k)
		}
	}
}
