// Package pools keeps the resource pools of all hosts as center wants them: it divides what a pool may use among the hosts of its
// cluster, so that each host's part follows where the load is, and adds up what the hosts have measured.
//
// Nothing is kept but measurements: what a host's part is now the host itself tells. While center is away the last division stays.
package pools

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
)

// Pool is what somebody wants of a resource pool on all hosts of a cluster together.
type Pool struct {
	// Path on each host, the namespace's name, and the id of the cluster.
	Path, Cluster string
	// Limits; nil for none.
	CPUMHz, MemoryBytes *uint64
	// Reservations, 0 for none.
	ReservedMHz, ReservedBytes uint64
	// Shares against other pools; 0 for the sum of what is in it.
	Shares uint32
}

// Host that has the pools of its cluster.
type Host struct{ ID, Name, Cluster string }

// Fleet is where the hosts are found.
type Fleet interface {
	// PoolHosts are all hosts, those too that do not answer now.
	PoolHosts(context.Context) ([]Host, error)
	// Dial is the shared connection to a host's hostd.
	Dial(ctx context.Context, id string) (*grpc.ClientConn, error)
}

// Wants tells which pools there shall be.
type Wants interface {
	Pools(context.Context) ([]Pool, error)
	// Watch signals after every change of what Pools answers.
	Watch(context.Context) <-chan struct{}
}

const (
	// interval between divisions.
	interval = time.Second
	// answerLimit is for one host's answer; the others do not wait longer for it.
	answerLimit = 2 * time.Second
	// forgetAfter is when a host that does not answer is taken for one that uses nothing any more: by then its pods run elsewhere.
	forgetAfter = 5 * time.Minute
)

// Pools divides and measures. Its methods are safe for concurrent use.
type Pools struct {
	fleet Fleet
	wants Wants
	now   func() time.Time

	mu       sync.Mutex
	hosts    map[string]*view // by id
	problems map[string]error // by path, of the last round
}

// New makes the part; [Pools.Run] runs it.
func New(fleet Fleet, wants Wants) *Pools {
	return &Pools{fleet: fleet, wants: wants, now: time.Now, hosts: map[string]*view{}, problems: map[string]error{}}
}

// Run divides again and again until ctx is done.
func (p *Pools) Run(ctx context.Context) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	changed := p.wants.Watch(ctx)
	for {
		if err := p.round(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("resource pools are not divided", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-ticker.C:
		}
	}
}

// round looks at all hosts and brings them to what is wanted. What cannot be known for certain is left as it is.
func (p *Pools) round(ctx context.Context) error {
	wanted, err := p.wants.Pools(ctx)
	if err != nil {
		return fmt.Errorf("read what pools are wanted: %w", err)
	}
	hosts, err := p.fleet.PoolHosts(ctx)
	if err != nil {
		return fmt.Errorf("read the hosts: %w", err)
	}
	p.look(ctx, hosts)
	var changes []change
	for _, pool := range wanted {
		changes = append(changes, p.divide(pool, hosts)...)
	}
	changes = append(changes, p.superfluous(wanted, hosts)...)
	p.apply(ctx, changes)
	return nil
}

// look asks all hosts at once.
func (p *Pools) look(ctx context.Context, hosts []Host) {
	p.mu.Lock()
	for _, host := range hosts {
		if p.hosts[host.ID] == nil {
			p.hosts[host.ID] = &view{pools: map[string]*track{}, answered: p.now()}
		}
	}
	maps.DeleteFunc(p.hosts, func(id string, _ *view) bool {
		return !slices.ContainsFunc(hosts, func(h Host) bool { return h.ID == id })
	})
	p.mu.Unlock()
	var all sync.WaitGroup
	for _, host := range hosts {
		all.Go(func() {
			list, err := p.list(ctx, host)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.hosts[host.ID].take(list, err, p.now())
		})
	}
	all.Wait()
}

func (p *Pools) list(ctx context.Context, host Host) (*hostv1.ListPoolsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	conn, err := p.fleet.Dial(ctx, host.ID)
	if err != nil {
		return nil, err
	}
	return hostv1.NewPoolsClient(conn).ListPools(ctx, &hostv1.ListPoolsRequest{})
}

// change of one pool on one host; without a pool it is deleted.
type change struct {
	host  Host
	path  string
	pool  *hostv1.Pool
	grows bool // it takes what another gives up
}

// divide one pool among the hosts of its cluster that answer, or did so lately.
func (p *Pools) divide(pool Pool, hosts []Host) []change {
	p.mu.Lock()
	defer p.mu.Unlock()
	var mine []Host
	var views []*view
	for _, host := range hosts {
		if v := p.hosts[host.ID]; host.Cluster == pool.Cluster && (v.answers || p.now().Sub(v.answered) < forgetAfter) {
			mine, views = append(mine, host), append(views, v)
		}
	}
	parts := partition(pool, views)
	var changes []change
	for i, host := range mine {
		have := views[i].pool(pool.Path)
		if !views[i].answers || have.set && proto.Equal(have.wanted, parts[i]) {
			continue
		}
		changes = append(changes, change{host: host, path: pool.Path, pool: parts[i], grows: grows(have.wanted, parts[i])})
	}
	return changes
}

// grows tells whether after takes more than before of anything.
func grows(before, after *hostv1.Pool) bool {
	more := func(before, after *uint64) bool { return before != nil && (after == nil || *after > *before) }
	return more(before.CpuLimitMhz, after.CpuLimitMhz) || more(before.MemoryLimitBytes, after.MemoryLimitBytes)
}

// superfluous are pools that somebody set and nobody wants any more.
func (p *Pools) superfluous(wanted []Pool, hosts []Host) []change {
	p.mu.Lock()
	defer p.mu.Unlock()
	var changes []change
	for _, host := range hosts {
		v := p.hosts[host.ID]
		for path, track := range v.pools {
			want := func(w Pool) bool { return w.Path == path && w.Cluster == host.Cluster }
			if v.answers && track.set && !slices.ContainsFunc(wanted, want) {
				changes = append(changes, change{host: host, path: path})
			}
		}
	}
	return changes
}

// apply takes first and gives then; where a taking fails nothing of that pool is given in this round.
func (p *Pools) apply(ctx context.Context, changes []change) {
	problems := map[string]error{}
	for _, growing := range []bool{false, true} {
		var all sync.WaitGroup
		var mu sync.Mutex
		failed := maps.Clone(problems)
		for _, c := range changes {
			if c.grows != growing || growing && failed[c.path] != nil && !errors.Is(failed[c.path], errReservation) {
				continue
			}
			all.Go(func() {
				if err := p.set(ctx, c); err != nil {
					mu.Lock()
					defer mu.Unlock()
					problems[c.path] = fmt.Errorf("resource pool %s on host %s: %w", c.path, c.host.Name, err)
				}
			})
		}
		all.Wait()
	}
	p.report(problems)
}

// report keeps what went wrong, and logs what is new of it.
func (p *Pools) report(problems map[string]error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, err := range problems {
		if before := p.problems[path]; before == nil || before.Error() != err.Error() {
			slog.Warn("a resource pool is not as wanted; trying again", "err", err)
		}
	}
	p.problems = problems
}

// set one pool. A host that has not what is reserved gets the limits all the same.
func (p *Pools) set(ctx context.Context, c change) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	conn, err := p.fleet.Dial(ctx, c.host.ID)
	if err != nil {
		return err
	}
	client := hostv1.NewPoolsClient(conn)
	if c.pool == nil {
		_, err = client.DeletePool(ctx, &hostv1.DeletePoolRequest{Path: c.path})
		return err
	}
	_, err = client.SetPool(ctx, &hostv1.SetPoolRequest{Pool: c.pool})
	if status.Code(err) != codes.ResourceExhausted {
		return err
	}
	without := proto.CloneOf(c.pool)
	without.CpuReservationMhz, without.MemoryReservationBytes = 0, 0
	if _, err := client.SetPool(ctx, &hostv1.SetPoolRequest{Pool: without}); err != nil {
		return err
	}
	return fmt.Errorf("%w: %w", errReservation, err)
}

// errReservation is when the host has the limits and not the reservations.
var errReservation = errors.New("nothing is reserved")

// Problem is why a pool is not on all hosts as wanted; nil if it is, but for hosts that do not answer.
func (p *Pools) Problem(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.problems[path]
}
