package server

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestSubresources(t *testing.T) {
	for path, want := range map[string][]string{
		"/metrics": {"metrics"}, "/metrics/resource": {"metrics"}, "/stats/summary": {"stats"}, "/statsistics": {"proxy"},
		"/pods": {"pods", "proxy"}, "/runningpods/": {"pods", "proxy"}, "/healthz": {"healthz", "proxy"}, "/healthz/ping": {"healthz", "proxy"},
		"/configz": {"configz", "proxy"}, "/exec/a/b/c": {"proxy"}, "/": {"proxy"}, "//metrics": {"proxy"},
	} {
		if have := subresourcesOf(path); !slices.Equal(have, want) {
			t.Errorf("%s: %v, want %v", path, have, want)
		}
	}
}

// rules of an API server that knows one token, of prometheus, and lets it and pacific:metrics-server read metrics.
func rules() (kube *fake.Clientset, asked *int) {
	kube, asked = fake.NewClientset(), new(int)
	kube.PrependReactor("create", "tokenreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		*asked++
		review := a.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenReview).DeepCopy()
		switch review.Spec.Token {
		case "good":
			review.Status.Authenticated = true
			review.Status.User = authenticationv1.UserInfo{Username: "prometheus", Extra: map[string]authenticationv1.ExtraValue{"k": {"v"}}}
		case "broken":
			return true, nil, errors.New("the API server is away")
		}
		return true, review, nil
	})
	kube.PrependReactor("create", "subjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		*asked++
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		s := review.Spec
		r := s.ResourceAttributes
		review.Status.Allowed = r.Name == "host-1" && r.Resource == "nodes" && r.Verb == "get" && r.Subresource == "metrics" &&
			(s.User == "pacific:metrics-server" || s.User == "prometheus" && s.Extra["k"][0] == "v")
		return true, review, nil
	})
	return kube, asked
}

func TestAccess(t *testing.T) {
	kube, asked := rules()
	guarded := NewAccess(kube, "host-1").guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	ask := func(method, path, name, token string) int {
		r := httptest.NewRequest(method, path, nil)
		if name != "" {
			r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: name}}}}}
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		answer := httptest.NewRecorder()
		guarded.ServeHTTP(answer, r)
		return answer.Code
	}
	for _, c := range []struct {
		method, path, name, token string
		want                      int
	}{
		{"POST", "/exec/a/b/c", APIServer, "", http.StatusOK},
		{"GET", "/metrics/resource", "pacific:metrics-server", "", http.StatusOK},
		{"GET", "/pods", "pacific:metrics-server", "", http.StatusForbidden},
		{"POST", "/metrics/resource", "pacific:metrics-server", "", http.StatusForbidden},
		{"GET", "/metrics", "", "good", http.StatusOK},
		{"GET", "/stats/summary", "", "good", http.StatusForbidden},
		{"GET", "/metrics", "", "bad", http.StatusUnauthorized},
		{"GET", "/metrics", "", "broken", http.StatusUnauthorized},
		{"GET", "/metrics", "", "", http.StatusUnauthorized},
		{"GET", "/healthz", "system:node:host-2", "", http.StatusForbidden},
	} {
		if have := ask(c.method, c.path, c.name, c.token); have != c.want {
			t.Errorf("%s %s by %q %q: %d, want %d", c.method, c.path, c.name, c.token, have, c.want)
		}
	}
	before := *asked
	if ask("GET", "/metrics", "", "good") != http.StatusOK || *asked != before {
		t.Errorf("the API server was asked again, %d times", *asked-before)
	}
}
