package metricsserver

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/metrics-server/pkg/storage"
)

func TestScrapes(t *testing.T) {
	for _, c := range []struct {
		age  time.Duration
		any  bool
		want int
	}{
		{0, false, 2},
		{0, true, 0},
		{fresh - 1, true, 0},
		{fresh, true, 1},
		{longWindow, true, 1},
		{longWindow + 1, true, 2},
	} {
		if have := scrapes(c.age, c.any); have != c.want {
			t.Errorf("age %v, any %v: %d, want %d", c.age, c.any, have, c.want)
		}
	}
}

// host is a node whose one container uses half a core, on a clock that only moves when it is told to.
type host struct {
	now   time.Time
	asked int
}

func (h *host) Scrape(context.Context) *storage.MetricsBatch {
	h.asked++
	point := storage.MetricsPoint{
		Timestamp: h.now, CumulativeCPUUsed: uint64(h.now.Sub(time.Unix(0, 0))) / 2, MemoryUsage: 1 << 20,
	}
	return &storage.MetricsBatch{
		Nodes: map[string]storage.MetricsPoint{"host-1": point},
		Pods: map[types.NamespacedName]storage.PodMetricsPoint{
			{Namespace: "default", Name: "busy"}: {Containers: map[string]storage.MetricsPoint{"c": point}},
		},
	}
}

func (h *host) onDemand() *onDemand {
	return &onDemand{
		Storage: storage.NewStorage(longWindow), scraper: h, ctx: context.Background(),
		now: func() time.Time { return h.now }, sleep: func(_ context.Context, d time.Duration) { h.now = h.now.Add(d) },
	}
}

func TestTheFirstReaderSeesWhatIsUsedNow(t *testing.T) {
	h := &host{now: time.Unix(1000, 0)}
	o := h.onDemand()
	if h.asked != 0 {
		t.Fatal("asked before anybody reads")
	}
	check := func(asked int) {
		t.Helper()
		pods, err := o.GetPodMetrics(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "busy"}})
		if err != nil || len(pods) != 1 {
			t.Fatalf("got %v, %v", pods, err)
		}
		if cpu := pods[0].Containers[0].Usage.Cpu().MilliValue(); cpu != 500 {
			t.Errorf("%d millicores", cpu)
		}
		if h.asked != asked {
			t.Errorf("asked %d times, want %d", h.asked, asked)
		}
	}
	check(2)
	nodes, err := o.GetNodeMetrics(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-1"}})
	if err != nil || len(nodes) != 1 || nodes[0].Usage.Cpu().MilliValue() != 500 {
		t.Errorf("got %v, %v", nodes, err)
	}
	check(2)
	h.now = h.now.Add(fresh)
	check(3)
	h.now = h.now.Add(time.Hour)
	check(5)
}
