package wcp

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	podapi "pacific/api/pod"
)

// RemoveNode implements [hosts.NodeRemover].
func (s *Service) RemoveNode(ctx context.Context, name string) error {
	return s.each(ctx, func(cluster string) error {
		client, err := s.clients.kubernetes(ctx, s, cluster)
		if err != nil {
			return err
		}
		err = client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// PodAddresses are the addresses of all Supervisors' pods, by the id of their machine.
func (s *Service) PodAddresses(ctx context.Context) (map[string]string, error) {
	addresses := map[string]string{}
	err := s.each(ctx, func(cluster string) error {
		client, err := s.clients.kubernetes(ctx, s, cluster)
		if err != nil {
			return err
		}
		// What a member has in its cache is new enough to look at.
		pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			addresses[podapi.MachineID(string(pod.UID))] = pod.Status.PodIP
		}
		return nil
	})
	return addresses, err
}

// each does it for every Supervisor whose Kubernetes API has ever answered.
func (s *Service) each(ctx context.Context, do func(cluster string) error) error {
	items, err := s.supervisors.List(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, item := range items {
		if !item.Value.Running {
			continue
		}
		if err := do(item.ID); err != nil {
			errs = append(errs, fmt.Errorf("supervisor %s: %w", item.ID, err))
		}
	}
	return errors.Join(errs...)
}
