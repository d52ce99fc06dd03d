package metricsserver

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/metrics/pkg/apis/metrics"
	"sigs.k8s.io/metrics-server/pkg/scraper"
	"sigs.k8s.io/metrics-server/pkg/storage"
)

type nodeLister = listers.NodeLister

const (
	// fresh is how old the points that are shown may be: upstream's recommended resolution, and the interval at which
	// autoscalers look.
	fresh = 15 * time.Second
	// longWindow is the longest time over which an average may be taken; older points are of no use to anybody who asks
	// what is used now.
	longWindow = 90 * time.Second
	// shortWindow lies between two points that are taken because there is none to start from. A reader waits for it.
	shortWindow = 2 * time.Second
)

// onDemand takes points when they are read. A rate needs two: where the last one is too old, two are taken, one after the
// other, so that the first reader after a quiet hour sees what is used now too.
type onDemand struct {
	storage.Storage
	scraper scraper.Scraper
	sleep   func(context.Context, time.Duration)
	now     func() time.Time
	ctx     context.Context // of the component, since readers have none

	mu    sync.Mutex // readers that come meanwhile wait for the same points
	taken time.Time
}

// GetPodMetrics implements api.PodMetricsGetter.
func (o *onDemand) GetPodMetrics(pods ...*metav1.PartialObjectMetadata) ([]metrics.PodMetrics, error) {
	o.refresh()
	return o.Storage.GetPodMetrics(pods...)
}

// GetNodeMetrics implements api.NodeMetricsGetter.
func (o *onDemand) GetNodeMetrics(nodes ...*corev1.Node) ([]metrics.NodeMetrics, error) {
	o.refresh()
	return o.Storage.GetNodeMetrics(nodes...)
}

func (o *onDemand) refresh() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range scrapes(o.now().Sub(o.taken), !o.taken.IsZero()) {
		if i > 0 {
			o.sleep(o.ctx, shortWindow)
		}
		o.Store(o.scraper.Scrape(o.ctx))
		o.taken = o.now()
	}
}

// scrapes is how many points must be taken when the last is of that age.
func scrapes(age time.Duration, any bool) int {
	switch {
	case !any || age > longWindow:
		return 2
	case age >= fresh:
		return 1
	}
	return 0
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
