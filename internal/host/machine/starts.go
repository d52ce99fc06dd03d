package machine

import (
	"github.com/prometheus/client_golang/prometheus"
)

// counter of the starts of CRX, by kind ("standby", "clone" or "cold") and, for cold ones, why it was no clone.
type counter struct{ vector *prometheus.CounterVec }

var starts = counter{prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "pacific_crx_starts_total",
	Help: "Starts of CRX on this host. Kind is standby, clone or cold; reason says why a cold one was no clone.",
}, []string{"kind", "reason"})}

func (c counter) count(kind, reason string) { c.vector.WithLabelValues(kind, reason).Inc() }

// Starts counts the starts of CRX, for whoever exports metrics.
func Starts() prometheus.Collector { return starts.vector }
