package chaos

import (
	"context"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	deployments = 3
	maxReplicas = 3
	setPort     = 18473
	// maxJobs that are not over at once, so that a small machine has a chance.
	maxJobs = 3
	// endless retries: what chaos kills is not the job's fault.
	endless = 1 << 30
)

// template of a pod that runs a script.
func (l *load) template(app, script string, policy corev1.RestartPolicy) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}},
		Spec: corev1.PodSpec{
			RestartPolicy:                 policy,
			TerminationGracePeriodSeconds: new(int64(2)),
			Containers: []corev1.Container{{
				Name: "c", Image: l.images.first(), Command: []string{"sh", "-c", script},
				Env: []corev1.EnvVar{{Name: "POD_UID", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.uid"}}}},
				Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")},
					Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("32Mi")},
				},
			}},
		},
	}
}

const idle = `trap "exit 143" TERM; n=0; while :; do echo $n; n=$((n+1)); sleep 1; done`

func selector(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

// base is what is there from the beginning.
func (l *load) base(ctx context.Context) error {
	for i := range deployments {
		name := "web-" + strconv.Itoa(i)
		_, err := l.Client.AppsV1().Deployments(l.namespace).Create(ctx, &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: appsv1.DeploymentSpec{
				Replicas: new(int32(1)), Selector: selector(name), Template: l.template(name, idle, corev1.RestartPolicyAlways),
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
	}
	if err := l.set(ctx); err != nil {
		return err
	}
	return l.cron(ctx)
}

// set is a StatefulSet: a pod of a name runs once at most. It has a port of its host.
func (l *load) set(ctx context.Context) error {
	template := l.template("db", l.witness.script("$(hostname)", 0), corev1.RestartPolicyAlways)
	template.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: setPort, HostPort: setPort}}
	_, err := l.Client.AppsV1().StatefulSets(l.namespace).Create(ctx, &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec:       appsv1.StatefulSetSpec{Replicas: new(int32(1)), Selector: selector("db"), Template: template},
	}, metav1.CreateOptions{})
	return err
}

// cron runs a job every minute, and never two at once.
func (l *load) cron(ctx context.Context) error {
	job := l.job("cron", 5, true).Spec
	job.Completions, job.Parallelism = new(int32(1)), new(int32(1))
	_, err := l.Client.BatchV1().CronJobs(l.namespace).Create(ctx, &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Name: "cron"},
		Spec: batchv1.CronJobSpec{
			Schedule: "* * * * *", ConcurrencyPolicy: batchv1.ForbidConcurrent, JobTemplate: batchv1.JobTemplateSpec{Spec: job},
		},
	}, metav1.CreateOptions{})
	return err
}

// job of three completions. An exclusive one has one pod at a time, the next only when the last is really over.
func (l *load) job(name string, beats int, exclusive bool) *batchv1.Job {
	key, parallelism, policy := name, int32(1), corev1.RestartPolicyNever
	if !exclusive {
		key, parallelism, policy = name+"-$(hostname)", 2, corev1.RestartPolicyOnFailure
	}
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: batchv1.JobSpec{
			Completions: new(int32(3)), Parallelism: &parallelism, BackoffLimit: new(int32(endless)),
			PodReplacementPolicy: new(batchv1.Failed),
			Template:             l.template(name, l.witness.script(key, beats), policy),
		},
	}
}

// finished tells whether a job is over, and how.
func finished(job batchv1.Job) (over bool, condition batchv1.JobConditionType) {
	for _, c := range job.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return true, c.Type
		}
	}
	return false, ""
}

func jobName(n int, exclusive bool) string {
	if exclusive {
		return fmt.Sprintf("exclusive-%d", n)
	}
	return fmt.Sprintf("work-%d", n)
}
