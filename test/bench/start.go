package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// oneLimit is for one pod to start or to end, the first with the pull of its image.
const oneLimit = 3 * time.Minute

// measureStart starts count pods one after another, where the scheduler puts them.
func (c *cluster) measureStart(ctx context.Context, count int) (*Start, error) {
	var starts, ends []time.Duration
	uids := map[string]bool{}
	for i := range count {
		one, err := c.one(ctx, fmt.Sprintf("one-%d", i+1), "")
		if err != nil {
			return nil, err
		}
		starts, ends = append(starts, one.start), append(ends, one.end)
		uids[one.uid] = true
		progress("pod %d of %d: %s", i+1, count, seconds(one.start.Seconds()))
	}
	stages, err := c.stages(ctx, uids)
	return &Start{
		Pods: count, P50: percentile(starts, 50).Seconds(), P90: percentile(starts, 90).Seconds(),
		Deletion: percentile(ends, 50).Seconds(), Stages: stages,
	}, err
}

// warm gets the image onto every host, and lets each do once what only the first time takes long. Twice, since a size of pods that was
// not foreseen is one to be ready for when it comes a second time.
func (c *cluster) warm(ctx context.Context) error {
	for _, host := range c.hosts() {
		for i := range 2 {
			if _, err := c.one(ctx, fmt.Sprintf("warm-%s-%d", host, i+1), host); err != nil {
				return err
			}
		}
	}
	return nil
}

type life struct {
	uid        string
	start, end time.Duration
}

func (c *cluster) one(ctx context.Context, name, host string) (life, error) {
	ctx, cancel := context.WithTimeout(ctx, oneLimit)
	defer cancel()
	pods := c.client.CoreV1().Pods(c.namespace)
	events, err := pods.Watch(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()})
	if err != nil {
		return life{}, err
	}
	defer events.Stop()
	began := time.Now()
	pod, err := pods.Create(ctx, c.pod(name, host), metav1.CreateOptions{})
	if err != nil {
		return life{}, err
	}
	if err := until(ctx, events, ready); err != nil {
		return life{}, fmt.Errorf("pod %s/%s is not Ready: %w", c.namespace, name, err)
	}
	l := life{uid: string(pod.UID), start: time.Since(began)}
	began = time.Now()
	if err := pods.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return life{}, err
	}
	if err := until(ctx, events, deleted); err != nil {
		return life{}, fmt.Errorf("pod %s/%s does not end: %w", c.namespace, name, err)
	}
	l.end = time.Since(began)
	return l, nil
}

// stages asks the hosts' spherelets how long each stage of the pods that count took.
func (c *cluster) stages(ctx context.Context, uids map[string]bool) ([]Stage, error) {
	var counted []map[string]float64
	for _, host := range c.hosts() {
		data, err := c.client.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes", host, "proxy/podstarts").DoRaw(ctx)
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
		for _, start := range starts.Items {
			if uids[start.UID] {
				counted = append(counted, start.Seconds)
			}
		}
	}
	return stagesOf(counted), nil
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
