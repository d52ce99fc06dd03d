package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"pacific/internal/pki"
)

// dialTimeout is for the first answer of an etcd.
const dialTimeout = 30 * time.Second

// External is an etcd that somebody else runs.
type External struct {
	Endpoints []string
	// CA, Cert and Key are PEM files.
	CA, Cert, Key string
}

// Validate says what is wrong with the flags that fill it.
func (e External) Validate() error {
	var errs []error
	for _, endpoint := range e.Endpoints {
		if !strings.HasPrefix(endpoint, "https://") {
			errs = append(errs, fmt.Errorf("etcd endpoint %q: give a URL with https://, since center's state holds keys", endpoint))
		}
	}
	if e.CA == "" || e.Cert == "" || e.Key == "" {
		errs = append(errs, errors.New("an external etcd needs --etcd-ca, --etcd-cert and --etcd-key"))
	}
	return errors.Join(errs...)
}

// OpenExternal connects to it.
func OpenExternal(ctx context.Context, e External) (*Store, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	config, err := pki.ClientConfig(e.CA, e.Cert, e.Key)
	if err != nil {
		return nil, err
	}
	return open(ctx, e.Endpoints, config)
}

// OpenSocket connects to an etcd by the URL of its unix socket.
func OpenSocket(ctx context.Context, url string) (*Store, error) {
	return open(ctx, []string{url}, nil)
}

func open(ctx context.Context, endpoints []string, config *tls.Config) (*Store, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, TLS: config, Context: context.WithoutCancel(ctx), DialTimeout: dialTimeout, Logger: zap.NewNop(),
		DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second,
		DialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32))},
	})
	if err != nil {
		return nil, fmt.Errorf("etcd at %s: %w", strings.Join(endpoints, ", "), err)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if _, err := client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly()); err != nil {
		return nil, errors.Join(fmt.Errorf("etcd at %s does not answer: %w", strings.Join(endpoints, ", "), err), client.Close())
	}
	return New(client), nil
}
