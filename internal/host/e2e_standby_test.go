//go:build e2e

package host_test

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metric of hostd's, 0 where it is not there.
func (h *host) metric(name string) float64 {
	h.t.Helper()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: h.config("admin"), DisableKeepAlives: true}, Timeout: 20 * time.Second}
	response, err := client.Get("https://" + metricsAddress + "/metrics")
	h.must(err)
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			number, err := strconv.ParseFloat(value, 64)
			h.must(err)
			return number
		}
	}
	return 0
}

// awaitStandby waits until a machine waits to be taken over.
func (h *host) awaitStandby() {
	h.t.Helper()
	for range 3000 {
		if h.metric("pacific_standby_memory_bytes") > 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	h.t.Fatal("no machine waits")
}
