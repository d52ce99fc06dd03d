package apiserver

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const (
	probeInterval = 50 * time.Millisecond
	// explainInterval is after how long it is said again what is not ready.
	explainInterval = 15 * time.Second
)

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
