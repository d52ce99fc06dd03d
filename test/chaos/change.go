package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// load changes workloads in a namespace.
type load struct {
	*Cluster
	namespace string
	random    *rand.Rand
	timeline  *Timeline
	witness   *Witness
	images    *images
	hits      *tally
	steps     int
}

// step makes one change. While the Supervisor or the registry is away it fails, which is noted and no fault.
func (l *load) step(ctx context.Context) {
	l.steps++
	change := draw(l.random, changes)
	what, err := l.make(ctx, change)
	switch {
	case err != nil:
		l.timeline.note("refused", "%s: %v", change, err)
	case what != "":
		l.timeline.note(string(change), "%s", what)
	}
}

// make a change; what is empty where there was nothing to change.
func (l *load) make(ctx context.Context, change Change) (what string, err error) {
	switch change {
	case Scale:
		deployment, replicas := l.deployment(), l.random.IntN(maxReplicas+1)
		return fmt.Sprintf("%s to %d", deployment, replicas), l.patch(ctx, deployment, fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas))
	case Roll:
		deployment := l.deployment()
		return deployment, l.patch(ctx, deployment, fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"step":"%d"}}}}}`, l.steps))
	case RollImage:
		return l.rollImage(ctx)
	case RunJob:
		return l.runJob(ctx)
	case DeleteJob:
		return l.deleteJob(ctx)
	case DeletePod:
		return l.deletePod(ctx)
	}
	return "", fmt.Errorf("no change is called %q", change)
}

func (l *load) deployment() string { return "web-" + strconv.Itoa(l.random.IntN(deployments)) }

func (l *load) patch(ctx context.Context, deployment, patch string) error {
	_, err := l.Client.AppsV1().Deployments(l.namespace).Patch(ctx, deployment, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}

// rollImage rolls a deployment to an image that no host has.
func (l *load) rollImage(ctx context.Context) (string, error) {
	deployment := l.deployment()
	ref, err := l.images.push(ctx, l.steps)
	if err != nil {
		return "", err
	}
	patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":%q}]}}}}`, ref)
	return deployment + " to " + ref, l.patch(ctx, deployment, patch)
}

func (l *load) runJob(ctx context.Context) (string, error) {
	exclusive, beats := l.random.IntN(2) == 0, 1+l.random.IntN(4)
	jobs, err := l.jobs(ctx)
	if err != nil {
		return "", err
	}
	active := 0
	for _, job := range jobs {
		if done, _ := finished(job); !done {
			active++
		}
	}
	if active >= maxJobs {
		return "", nil
	}
	job := l.job(jobName(l.steps, exclusive), beats, exclusive)
	_, err = l.Client.BatchV1().Jobs(l.namespace).Create(ctx, job, metav1.CreateOptions{})
	return fmt.Sprintf("%s of %d beats", job.Name, beats), err
}

// jobs that the load made itself.
func (l *load) jobs(ctx context.Context) ([]batchv1.Job, error) {
	list, err := l.Client.BatchV1().Jobs(l.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var own []batchv1.Job
	for _, job := range list.Items {
		if len(job.OwnerReferences) == 0 {
			own = append(own, job)
		}
	}
	return own, nil
}

func (l *load) deleteJob(ctx context.Context) (string, error) {
	jobs, err := l.jobs(ctx)
	if err != nil {
		return "", err
	}
	job, ok := oneOf(l.random, jobs)
	if !ok {
		return "", nil
	}
	background := metav1.DeletePropagationBackground
	err = l.Client.BatchV1().Jobs(l.namespace).Delete(ctx, job.Name, metav1.DeleteOptions{PropagationPolicy: &background})
	return job.Name, ignoreGone(err)
}

func (l *load) deletePod(ctx context.Context) (string, error) {
	list, err := l.Client.CoreV1().Pods(l.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	var alive []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil && !over(pod) {
			alive = append(alive, pod)
		}
	}
	pod, ok := oneOf(l.random, alive)
	if !ok {
		return "", nil
	}
	return pod.Name, ignoreGone(l.Client.CoreV1().Pods(l.namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{}))
}

func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
