package onemachine

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"pacific/internal/onemachine/layout"
	"pacific/internal/pki"
)

// DialHost connects to the nth host's hostd as administrator.
func DialHost(l layout.Layout, n int) (*grpc.ClientConn, error) {
	admin := l.HostdAdmin()
	config, err := pki.ClientConfig(l.HostCA().Cert, admin.Cert, admin.Key)
	if err != nil {
		return nil, fmt.Errorf("administrator's certificate for hostd: %w", err)
	}
	return grpc.NewClient(l.Hostd(n), grpc.WithTransportCredentials(credentials.NewTLS(config)))
}

// RESTConfig of the administrator.
func RESTConfig(l layout.Layout) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", l.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	config.UserAgent = "pacific"
	// The server is fair to all its clients by itself.
	config.QPS = -1
	return config, nil
}

// Kubernetes is a client of the Supervisor as administrator.
func Kubernetes(l layout.Layout) (kubernetes.Interface, error) {
	config, err := RESTConfig(l)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// supervisorReady asks the kube-apiserver whether it is ready.
func supervisorReady(ctx context.Context, l layout.Layout) error {
	admin := l.Admin()
	config, err := pki.ClientConfig(l.SupervisorCA(), admin.Cert, admin.Key)
	if err != nil {
		return err
	}
	return get(ctx, config, l.Server()+"/readyz")
}

// registryReady asks the registry for its version.
func registryReady(ctx context.Context, l layout.Layout) error {
	config, err := pki.ClientConfig(l.RegistryCA(), "", "")
	if err != nil {
		return err
	}
	return get(ctx, config, "https://"+l.Registry()+"/v2/")
}

func get(ctx context.Context, config *tls.Config, url string) error {
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return nil
}
