package apiserver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"pacific/internal/supervisor/pki"
)

const (
	probeInterval = 50 * time.Millisecond
	// explainInterval is after how long it is said again what is not ready.
	explainInterval = 15 * time.Second
	// checkTimeout is for somebody who asks how the kube-apiserver is.
	checkTimeout = 3 * time.Second
)

// Check says what keeps the kube-apiserver from being ready.
func (s *Server) Check(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", s.config.Layout.Kubeconfig(pki.Supervisor))
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if body, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); err != nil {
		return fmt.Errorf("/readyz: %w %s", err, firstFailure(string(body)))
	}
	return nil
}

// firstFailure of the answer of /readyz, which lists all checks.
func firstFailure(body string) string {
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "[-]") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// waitReady returns when the kube-apiserver calls itself ready.
func waitReady(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	explained := time.Now()
	return wait.PollUntilContextCancel(ctx, probeInterval, true, func(ctx context.Context) (bool, error) {
		body, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").Timeout(time.Second).DoRaw(ctx)
		if err != nil && time.Since(explained) > explainInterval {
			explained = time.Now()
			klog.InfoS("kube-apiserver is not ready yet", "err", err, "readyz", string(body))
		}
		return err == nil, nil
	})
}
