package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"pacific/internal/imagebuild"
	"pacific/internal/onemachine"
	"pacific/internal/onemachine/layout"
)

// oneLimit is for one pod to start or to end, the first with the pull of its image.
const oneLimit = 3 * time.Minute

// podBench starts pods one after another on one host.
type podBench struct {
	client    kubernetes.Interface
	namespace string
	host      string
	image     string
	uids      map[string]bool // of the pods that count
}

func newPodBench(ctx context.Context, l layout.Layout, bin string) (*podBench, error) {
	client, err := onemachine.Kubernetes(l)
	if err != nil {
		return nil, err
	}
	b := &podBench{client: client, host: layout.HostName(1), image: l.Registry() + "/web:bench", uids: map[string]bool{}}
	img, err := imagebuild.Build(ctx, "web", imagebuild.Inputs{Web: filepath.Join(bin, "examples", "web")})
	if err != nil {
		return nil, err
	}
	if err := imagebuild.Push(ctx, b.image, img, l.SupervisorCA().Cert, nil); err != nil {
		return nil, err
	}
	namespace, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "bench-"}}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	b.namespace = namespace.Name
	return b, b.awaitAccount(ctx)
}

// awaitAccount waits for what admission wants of a namespace.
func (b *podBench) awaitAccount(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return onemachine.Await(ctx, func(string) {}, func(ctx context.Context) error {
		if _, err := b.client.CoreV1().ServiceAccounts(b.namespace).Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return onemachine.Pending("service account of the namespace: " + err.Error())
		}
		return nil
	})
}

func (b *podBench) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.client.CoreV1().Namespaces().Delete(ctx, b.namespace, metav1.DeleteOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, "bench: delete namespace:", err)
	}
}

// run starts count pods and returns how long each took. One before them gets the image onto the host.
func (b *podBench) run(ctx context.Context, count int) ([]time.Duration, error) {
	var starts []time.Duration
	for i := range count + 1 {
		took, uid, err := b.one(ctx, fmt.Sprintf("pod-%d", i))
		if err != nil {
			return nil, err
		}
		if i > 0 {
			starts = append(starts, took)
			b.uids[uid] = true
			fmt.Fprintf(os.Stderr, "pod %d of %d: %s\n", i, count, text(took))
		}
	}
	return starts, nil
}

func (b *podBench) one(ctx context.Context, name string) (took time.Duration, uid string, err error) {
	ctx, cancel := context.WithTimeout(ctx, oneLimit)
	defer cancel()
	pods := b.client.CoreV1().Pods(b.namespace)
	events, err := pods.Watch(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()})
	if err != nil {
		return 0, "", err
	}
	defer events.Stop()
	began := time.Now()
	pod, err := pods.Create(ctx, b.pod(name), metav1.CreateOptions{})
	if err != nil {
		return 0, "", err
	}
	if err := until(ctx, events, ready); err != nil {
		return 0, "", fmt.Errorf("pod %s/%s is not Ready: %w", b.namespace, name, err)
	}
	took = time.Since(began)
	if err := pods.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return 0, "", err
	}
	if err := until(ctx, events, deleted); err != nil {
		return 0, "", fmt.Errorf("pod %s/%s does not end: %w", b.namespace, name, err)
	}
	return took, string(pod.UID), nil
}

func until(ctx context.Context, events watch.Interface, accept func(watch.Event) bool) error {
	for {
		select {
		case event, ok := <-events.ResultChan():
			if !ok {
				return fmt.Errorf("the watch ended: %w", context.Cause(ctx))
			}
			if accept(event) {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func ready(event watch.Event) bool {
	pod, ok := event.Object.(*corev1.Pod)
	if !ok {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func deleted(event watch.Event) bool { return event.Type == watch.Deleted }

// pod goes through the scheduler, but has only one host to go to, whose image is there.
func (b *podBench) pod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			NodeSelector:                  map[string]string{corev1.LabelHostname: b.host},
			TerminationGracePeriodSeconds: new(int64(1)),
			Containers: []corev1.Container{{
				Name: "web", Image: b.image,
				Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}},
			}},
		},
	}
}

// stages asks the host's spherelet how long each stage of the pods that count took.
func (b *podBench) stages(ctx context.Context) ([]stage, error) {
	data, err := b.client.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes", b.host, "proxy/podstarts").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("stages of starts: %w", err)
	}
	var starts struct {
		Items []struct {
			UID     string             `json:"uid"`
			Seconds map[string]float64 `json:"seconds"`
		} `json:"items"`
	}
	if err := json.Unmarshal(data, &starts); err != nil {
		return nil, fmt.Errorf("stages of starts: %w", err)
	}
	var counted []map[string]float64
	for _, start := range starts.Items {
		if b.uids[start.UID] {
			counted = append(counted, start.Seconds)
		}
	}
	return stagesOf(counted), nil
}
