package measure

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// expose answers with metrics that exist only for this answer, so that nothing is left of pods that are gone.
func expose(w http.ResponseWriter, r *http.Request, collect func(*page)) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(once(collect))
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(w, r)
}

// once is a collector whose metrics are not known before they are collected.
type once func(*page)

func (once) Describe(chan<- *prometheus.Desc) {}

func (f once) Collect(out chan<- prometheus.Metric) {
	f(&page{out: out, descs: map[string]*prometheus.Desc{}})
}

// page takes the metrics of one answer.
type page struct {
	out   chan<- prometheus.Metric
	descs map[string]*prometheus.Desc
	// at is the time of measuring, if it shall be told.
	at time.Time
}

// family is a metric's name, help and labels.
type family struct {
	name, help string
	labels     []string
}

func (p *page) counter(f family, value float64, labels ...string) {
	p.add(f, prometheus.CounterValue, value, labels)
}

func (p *page) gauge(f family, value float64, labels ...string) {
	p.add(f, prometheus.GaugeValue, value, labels)
}

func (p *page) add(f family, kind prometheus.ValueType, value float64, labels []string) {
	desc := p.descs[f.name]
	if desc == nil {
		desc = prometheus.NewDesc(f.name, f.help, f.labels, nil)
		p.descs[f.name] = desc
	}
	metric, err := prometheus.NewConstMetric(desc, kind, value, labels...)
	if err != nil {
		metric = prometheus.NewInvalidMetric(desc, err)
	} else if !p.at.IsZero() {
		metric = prometheus.NewMetricWithTimestamp(p.at, metric)
	}
	p.out <- metric
}

func seconds(nanoseconds uint64) float64 { return float64(nanoseconds) / 1e9 }

func bit(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
