package standby

import "github.com/prometheus/client_golang/prometheus"

var (
	waiting = prometheus.NewDesc("pacific_standby_machines", "Machines that wait to be taken over, by class.", []string{"class"}, nil)
	memory  = prometheus.NewDesc("pacific_standby_memory_bytes", "Memory that the machines that wait took when they were made.", nil, nil)
)

// Describe implements prometheus.Collector.
func (s *Standbys) Describe(out chan<- *prometheus.Desc) {
	out <- waiting
	out <- memory
}

// Collect implements prometheus.Collector.
func (s *Standbys) Collect(out chan<- prometheus.Metric) {
	for class, n := range s.Counts() {
		out <- prometheus.MustNewConstMetric(waiting, prometheus.GaugeValue, float64(n), class.String())
	}
	out <- prometheus.MustNewConstMetric(memory, prometheus.GaugeValue, float64(s.Bytes()))
}
