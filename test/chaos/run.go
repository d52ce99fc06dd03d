package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Options of a run.
type Options struct {
	Seed uint64
	// Duration of the chaos. What comes after takes as long as it takes, up to Settle.
	Duration, Settle time.Duration
	// Log gets a line for every kill and change.
	Log func(string)
}

// Short is the form that is one of the end-to-end tests. Its seed draws every kind of victim early.
var Short = Options{Seed: 15544, Duration: 25 * time.Second, Settle: 5 * time.Minute}

// Pace of the chaos: so fast that one fault meets the next before its repair is over, and slow enough that there is work
// done between them on a machine of two cores without KVM.
const (
	betweenKills   = 2500 * time.Millisecond
	betweenChanges = 3 * time.Second
)

const (
	// lastLook is for reading logs on a busy machine; what else is looked at then does not change any more.
	lastLook   = 30 * time.Second
	reportTime = 30 * time.Second
)

// Run does it all. Its error names everything that is not as it should be.
func Run(ctx context.Context, c *Cluster, o Options) (*Timeline, error) {
	timeline := newTimeline(o.Log)
	witness, err := newWitness(c.Gateway().String())
	if err != nil {
		return timeline, err
	}
	defer witness.close()
	l, err := newLoad(ctx, c, o.Seed, timeline, witness)
	if err != nil {
		return timeline, err
	}
	if err := l.base(ctx); err != nil {
		return timeline, fmt.Errorf("workloads: %w", err)
	}
	// The base must be up once, or a broken instance would show as chaos. Jobs come and go all the time.
	if err := l.settle(ctx, o.Settle, func(ctx context.Context) []string { return l.look(ctx, l.workloadProblems) }); err != nil {
		return timeline, l.failure(ctx, "before any kill", err)
	}
	timeline.note("begin", "seed %d, %s", o.Seed, o.Duration)
	l.rage(ctx, o)
	timeline.note("quiet", "waiting until everything has converged")
	if err := l.settle(ctx, o.Settle, l.quiet); err != nil {
		return timeline, l.failure(ctx, "it does not converge", err)
	}
	timeline.note("converged", "")
	if err := l.settle(ctx, lastLook, l.lasting); err != nil {
		return timeline, l.failure(ctx, "it has converged, but", err)
	}
	if err := l.clear(ctx, o.Settle); err != nil {
		return timeline, l.failure(ctx, "something is left", err)
	}
	timeline.note("clear", "nothing is left on the hosts; the witness heard %d beats", len(witness.heard()))
	return timeline, nil
}

// failure explains what was found.
func (l *load) failure(ctx context.Context, what string, err error) error {
	var found *unsettled
	if !errors.As(err, &found) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s, within %s:\n%s", what, found.limit, l.explain(ctx, found.problems))
}

func newLoad(ctx context.Context, c *Cluster, seed uint64, timeline *Timeline, witness *Witness) (*load, error) {
	_, random := streams(seed)
	l := &load{Cluster: c, random: random, timeline: timeline, witness: witness, hits: newTally()}
	ns, err := c.Client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "chaos-"}}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	l.namespace = ns.Name
	if l.images, err = newImages(ctx, c, ns.Name); err != nil {
		return nil, err
	}
	return l, l.settle(ctx, time.Minute, func(ctx context.Context) []string {
		// No pod is admitted before.
		if _, err := c.Client.CoreV1().ServiceAccounts(l.namespace).Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return []string{err.Error()}
		}
		return nil
	})
}

// rage kills and changes for the time.
func (l *load) rage(ctx context.Context, o Options) {
	ctx, cancel := context.WithTimeout(ctx, o.Duration)
	defer cancel()
	random, _ := streams(o.Seed)
	k := &killer{Cluster: l.Cluster, namespace: l.namespace, random: random, timeline: l.timeline, hits: l.hits}
	var both sync.WaitGroup
	both.Go(func() { every(ctx, betweenKills, k.strike) })
	both.Go(func() { every(ctx, betweenChanges, l.step) })
	both.Wait()
}

func every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	for ctx.Err() == nil {
		do(ctx)
		pause(ctx, interval)
	}
}

// quiet stops the CronJob, which would never let the rest converge, and looks for problems.
func (l *load) quiet(ctx context.Context) []string {
	cron, err := l.Client.BatchV1().CronJobs(l.namespace).Patch(ctx, "cron", types.MergePatchType, []byte(`{"spec":{"suspend":true}}`), metav1.PatchOptions{})
	if err != nil {
		return []string{fmt.Sprintf("suspend the CronJob: %v", err)}
	}
	return append(l.problems(ctx), cronProblems(cron)...)
}

func cronProblems(cron *batchv1.CronJob) []string {
	if len(cron.Status.Active) > 0 {
		return []string{fmt.Sprintf("CronJob %s has %d active jobs", cron.Name, len(cron.Status.Active))}
	}
	return nil
}

// clear deletes all that the run made, and looks that the hosts have nothing of it.
func (l *load) clear(ctx context.Context, limit time.Duration) error {
	return l.settle(ctx, limit, func(ctx context.Context) []string {
		err := l.Client.CoreV1().Namespaces().Delete(ctx, l.namespace, metav1.DeleteOptions{})
		switch {
		case err == nil, apierrors.IsConflict(err):
			return []string{"namespace " + l.namespace + " is being deleted"}
		case !apierrors.IsNotFound(err):
			return []string{err.Error()}
		}
		return l.look(ctx, l.hostProblems)
	})
}

// unsettled is what was still wrong when the time was over.
type unsettled struct {
	limit    time.Duration
	problems []string
}

func (u *unsettled) Error() string {
	return fmt.Sprintf("not within %s:\n  %s", u.limit, strings.Join(u.problems, "\n  "))
}

// calm is for how many looks in a row there must be no problem: what converges by accident and falls apart has not.
const calm = 3

// settle waits until there are no problems.
func (l *load) settle(ctx context.Context, limit time.Duration, problems func(context.Context) []string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last []string
	for good := 0; good < calm; pause(ctx, time.Second) {
		found := problems(ctx)
		if ctx.Err() != nil {
			return &unsettled{limit, last}
		}
		if good++; len(found) > 0 {
			good = 0
		}
		last = found
	}
	return nil
}
