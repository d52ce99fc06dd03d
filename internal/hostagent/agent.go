package hostagent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"k8s.io/klog/v2"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/keeper"
	"pacific/internal/pki"
)

// Agent of a host.
type Agent struct {
	Dir     Dir
	Version string
	// Starter makes the command whose process becomes a daemon, see [Become].
	Starter func(Dir, keeper.Daemon) *exec.Cmd
	// OnRemoved undoes what makes the machine start the agent.
	OnRemoved func() error

	// removeKernel deletes processes, cgroups and network objects of the host.
	removeKernel func(context.Context, Dir, Config) error

	config Config
	order  *order
	conn   *grpc.ClientConn
}

// errGone ends the agent of a host that was removed.
var errGone = errors.New("this host has been removed from center and is clean")

// Run keeps the host as center wants it until ctx is cancelled; then the daemons run on. It returns nil when the host was removed.
// A new run finds the daemons of the last, and replaces those whose program or command line has changed.
func (a *Agent) Run(ctx context.Context) error {
	unlock, err := a.Dir.awaitLock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if a.config, err = a.Dir.Load(); err != nil {
		return err
	}
	wanted, err := a.Dir.loadWanted()
	if err != nil {
		klog.ErrorS(err, "The last wanted state is lost")
	}
	a.order = newOrder(wanted)
	if a.conn, err = dial(a.Dir, a.config.Center); err != nil {
		return err
	}
	defer a.conn.Close()
	klog.InfoS("Host agent started", "host", a.config.Name, "center", a.config.Center, "revision", wanted.GetRevision())
	group, ctx := errgroup.WithContext(ctx)
	daemons := make(chan []keeper.Daemon)
	k := a.keeper()
	group.Go(func() error { k.Follow(ctx, daemons, a.config.owns); return nil })
	group.Go(func() error { return a.follow(ctx, daemons) })
	group.Go(func() error { return a.talk(ctx) })
	if err := group.Wait(); err != nil && !errors.Is(err, errGone) {
		return err
	}
	return nil
}

func (a *Agent) keeper() *keeper.Keeper {
	return &keeper.Keeper{
		Records:         a.config.Records(),
		Ends:            a.config.ends(),
		Starter:         func(d keeper.Daemon) *exec.Cmd { return a.Starter(a.Dir, d) },
		SupervisorReady: a.supervisorReady,
	}
}

const (
	// lookInterval is how often certificates are looked at.
	lookInterval = time.Minute
	// retryInterval follows a failure.
	retryInterval = 2 * time.Second
)

// follow brings the host to what is wanted, whenever that changes and every now and then.
func (a *Agent) follow(ctx context.Context, daemons chan<- []keeper.Daemon) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.order.changed:
		case <-timer.C:
		}
		wanted := a.order.get()
		var problems []string
		if wanted.GetRemoved() {
			err := a.clean(ctx, daemons)
			if err == nil {
				a.order.cleaned()
				return nil
			}
			problems = []string{"removal: " + err.Error()}
		} else {
			problems = a.obey(ctx, wanted, daemons)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.order.report(wanted.GetRevision(), problems)
		next := lookInterval
		if len(problems) > 0 {
			klog.InfoS("Host is not as center wants it; will try again", "problems", problems, "after", retryInterval)
			next = retryInterval
		}
		timer.Reset(next)
	}
}

// obey does what is wanted as far as it can, and tells what it cannot.
func (a *Agent) obey(ctx context.Context, wanted *centerv1.Wanted, daemons chan<- []keeper.Daemon) (problems []string) {
	note := func(err error) {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	note(a.Dir.saveWanted(wanted))
	note(a.ensureMembers(wanted.GetMembers()))
	// What is on disk starts first: a host whose center is away must not wait for it.
	note(writeNode(a.Dir, a.config, wanted.GetNode()))
	a.keep(ctx, wanted, daemons)
	missing, err := a.Dir.renew(ctx, wanted, client{centerv1.NewHostsClient(a.conn)}, time.Now())
	note(err)
	if len(missing) == 0 {
		note(a.cordon(ctx, wanted))
	}
	a.keep(ctx, wanted, daemons)
	note(a.dropMembers(wanted.GetMembers()))
	return problems
}

// keep hands those daemons to the keeper that can run.
func (a *Agent) keep(ctx context.Context, wanted *centerv1.Wanted, daemons chan<- []keeper.Daemon) {
	runnable := wanted
	for _, p := range purposes(wanted) {
		if _, err := pki.Certificate(a.Dir.cert(p)); err != nil && wanted.GetNode() != nil {
			klog.InfoS("The node's daemons wait for a certificate", "certificate", p)
			runnable = &centerv1.Wanted{Revision: wanted.GetRevision(), Members: wanted.GetMembers()}
			break
		}
	}
	select {
	case daemons <- Daemons(a.Dir, a.config, runnable):
	case <-ctx.Done():
	}
}

// supervisorReady returns when the Kubernetes API answers.
func (a *Agent) supervisorReady(ctx context.Context) error {
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		if node := a.order.get().GetNode(); node != nil && a.askReady(ctx, node.GetServer()) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (a *Agent) askReady(ctx context.Context, server string) error {
	response, err := a.kubernetes(ctx, http.MethodGet, server+"/readyz", "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", server, response.Status)
	}
	return nil
}
