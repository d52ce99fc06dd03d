package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"
)

// APIServer is the common name of the certificate that kube-apiserver shows. It has asked itself already whether its own
// user may do what it does here, so it may do everything.
const APIServer = "kube-apiserver-kubelet-client"

// How long answers of the API server hold, as with the kubelet's defaults.
const (
	tokenHolds   = 2 * time.Minute
	allowedHolds = 5 * time.Minute
	deniedHolds  = 30 * time.Second
	answersKept  = 1000
)

// Access decides who may use the endpoint, as the kubelet does: users have a certificate that the client authority
// signed or a token; what they may, the API server says (nodes/metrics, nodes/stats, nodes/proxy, ...).
type Access struct {
	kube     kubernetes.Interface
	nodeName string
	answers  *cache.LRUExpireCache
}

// NewAccess asks by kube.
func NewAccess(kube kubernetes.Interface, nodeName string) *Access {
	return &Access{kube: kube, nodeName: nodeName, answers: cache.NewLRUExpireCache(answersKept)}
}

var errNobody = errors.New("a client certificate or a bearer token is needed")

// guard lets only those through who may.
func (a *Access) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := a.user(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		if user.Username == APIServer {
			next.ServeHTTP(w, r)
			return
		}
		subresources := subresourcesOf(r.URL.Path)
		for _, s := range subresources {
			allowed, err := a.allowed(r.Context(), user, verbOf(r.Method), s)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			if allowed {
				next.ServeHTTP(w, r)
				return
			}
		}
		http.Error(w, fmt.Sprintf("Forbidden (user=%s, verb=%s, resource=nodes, subresource(s)=%v)", user.Username, verbOf(r.Method), subresources),
			http.StatusForbidden)
	})
}

// user tells who asks. That a certificate is genuine was found by TLS.
func (a *Access) user(r *http.Request) (authenticationv1.UserInfo, error) {
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		subject := r.TLS.VerifiedChains[0][0].Subject
		return authenticationv1.UserInfo{Username: subject.CommonName, Groups: append(subject.Organization, "system:authenticated")}, nil
	}
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token = strings.TrimSpace(token); !found || token == "" {
		return authenticationv1.UserInfo{}, errNobody
	}
	return a.review(r.Context(), token)
}

func (a *Access) review(ctx context.Context, token string) (authenticationv1.UserInfo, error) {
	sum := sha256.Sum256([]byte(token))
	key := "token " + hex.EncodeToString(sum[:])
	if known, ok := a.answers.Get(key); ok {
		return known.(authenticationv1.UserInfo), nil
	}
	review, err := a.kube.AuthenticationV1().TokenReviews().Create(ctx,
		&authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.UserInfo{}, fmt.Errorf("the API server cannot be asked whose token it is: %w", err)
	}
	if !review.Status.Authenticated {
		return authenticationv1.UserInfo{}, errors.New("the API server does not know the bearer token")
	}
	a.answers.Add(key, review.Status.User, tokenHolds)
	return review.Status.User, nil
}

func (a *Access) allowed(ctx context.Context, user authenticationv1.UserInfo, verb, subresource string) (bool, error) {
	spec := authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, Groups: user.Groups, UID: user.UID,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Version: "v1", Resource: "nodes", Subresource: subresource, Name: a.nodeName},
	}
	for k, v := range user.Extra {
		if spec.Extra == nil {
			spec.Extra = map[string]authorizationv1.ExtraValue{}
		}
		spec.Extra[k] = authorizationv1.ExtraValue(v)
	}
	key := "access " + spec.String()
	if known, ok := a.answers.Get(key); ok {
		return known.(bool), nil
	}
	review, err := a.kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("the API server cannot be asked what %s may: %w", user.Username, err)
	}
	holds := deniedHolds
	if review.Status.Allowed {
		holds = allowedHolds
	}
	a.answers.Add(key, review.Status.Allowed, holds)
	return review.Status.Allowed, nil
}

func verbOf(method string) string {
	switch method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	}
	return "get"
}

// subresourcesOf a path are those of nodes any of which suffices, as in the kubelet (pkg/kubelet/server/auth.go).
func subresourcesOf(path string) []string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch first {
	case "stats", "metrics":
		return []string{first}
	case "pods", "runningpods":
		return []string{"pods", "proxy"}
	case "healthz", "configz":
		return []string{first, "proxy"}
	}
	return []string{"proxy"}
}
