package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/imagebuild"
	"pacific/internal/onemachine"
	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
)

// cluster is the instance that is measured, with a namespace for the benchmark's pods and their image on every host.
type cluster struct {
	layout.Layout
	instance  instance.Instance
	client    kubernetes.Interface
	namespace string
	workload  workload
	image     string
}

func openCluster(ctx context.Context, in instance.Instance, bin string, w workload) (*cluster, error) {
	c := &cluster{Layout: layout.Layout{ID: in.ID, Home: in.Home}, instance: in, workload: w}
	var err error
	if c.client, err = onemachine.Kubernetes(c.Layout); err != nil {
		return nil, err
	}
	c.image = c.Registry() + "/" + w.image + ":bench"
	img, err := imagebuild.Build(ctx, w.image, inputs(bin))
	if err != nil {
		return nil, err
	}
	if err := imagebuild.Push(ctx, c.image, img, c.RegistryCA(), nil); err != nil {
		return nil, err
	}
	namespace, err := c.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "bench-"}}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	c.namespace = namespace.Name
	return c, c.awaitAccount(ctx)
}

// awaitAccount waits for what admission wants of a namespace.
func (c *cluster) awaitAccount(ctx context.Context) error {
	return await(ctx, time.Minute, func(ctx context.Context) error {
		_, err := c.client.CoreV1().ServiceAccounts(c.namespace).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// await checks until there is no error; the last error is the reason when there is no end.
func await(ctx context.Context, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return onemachine.Await(ctx, func(string) {}, func(ctx context.Context) error {
		if err := check(ctx); err != nil {
			return onemachine.Pending(err.Error())
		}
		return nil
	})
}

func (c *cluster) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.client.CoreV1().Namespaces().Delete(ctx, c.namespace, metav1.DeleteOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, "bench: delete namespace:", err)
	}
}

func (c *cluster) hosts() []string { return layout.HostNames(c.instance.Hosts) }

// pod goes through the scheduler; host, where set, is its only choice.
func (c *cluster) pod(name, host string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(1)),
			Containers: []corev1.Container{{
				Name: "app", Image: c.image, Command: c.workload.command,
				Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1m"), corev1.ResourceMemory: resource.MustParse("16Mi")},
					Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
				},
			}},
		},
	}
	if host != "" {
		pod.Spec.NodeSelector = map[string]string{corev1.LabelHostname: host}
	}
	return pod
}

func (c *cluster) onHost(ctx context.Context, host string, do func(hostv1.HostClient) error) error {
	conn, err := onemachine.DialHost(c.Layout, slices.Index(c.hosts(), host)+1)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := do(hostv1.NewHostClient(conn)); err != nil {
		return fmt.Errorf("host %s: %w", host, err)
	}
	return nil
}

// machines are those of the benchmark's pods on all hosts.
func (c *cluster) machines(ctx context.Context) ([]*hostv1.InventoryMachine, error) {
	var found []*hostv1.InventoryMachine
	for _, host := range c.hosts() {
		err := c.onHost(ctx, host, func(client hostv1.HostClient) error {
			inventory, err := client.GetInventory(ctx, &hostv1.GetInventoryRequest{})
			for _, m := range inventory.GetMachines() {
				if m.Labels["namespace"] == c.namespace {
					found = append(found, m)
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
