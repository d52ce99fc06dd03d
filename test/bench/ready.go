package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

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
	return ok && isReady(pod)
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func deleted(event watch.Event) bool { return event.Type == watch.Deleted }
