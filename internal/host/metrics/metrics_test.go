package metrics

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	hostv1 "pacific/api/host/v1"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files")

// host has a pod, a fetcher without disks, a machine that is stopped, and one that ended since it was measured.
type host struct{ failed error }

func (host) Admission() (capacity, used, refused uint64) { return 4 << 30, 256 << 20, 3 }

func (host) List() []*hostv1.VirtualMachine {
	crx := func(mode hostv1.Crx_Mode) *hostv1.VirtualMachineSpec_Crx {
		return &hostv1.VirtualMachineSpec_Crx{Crx: &hostv1.Crx{Mode: mode}}
	}
	return []*hostv1.VirtualMachine{
		{Phase: hostv1.VirtualMachine_RUNNING, Pid: 7, Starts: 2, StartedAt: timestamppb.New(time.Unix(1700000000, 0)), Spec: &hostv1.VirtualMachineSpec{
			Id: "a", Type: crx(hostv1.Crx_MANAGED), Vcpus: 1, MemoryBytes: 128 << 20, Labels: map[string]string{"namespace": "default", "name": "web"},
		}},
		{Phase: hostv1.VirtualMachine_RUNNING, Starts: 1, Spec: &hostv1.VirtualMachineSpec{Id: "b", Type: crx(hostv1.Crx_UNMANAGED), Vcpus: 2, MemoryBytes: 128 << 20}},
		{Phase: hostv1.VirtualMachine_STOPPED, Spec: &hostv1.VirtualMachineSpec{Id: "c"}},
	}
}

func (h host) Stats(context.Context, bool) (*hostv1.GetStatsResponse, error) {
	if h.failed != nil {
		return nil, h.failed
	}
	return &hostv1.GetStatsResponse{
		MachinesTotal: &hostv1.Usage{CpuNanoseconds: 9e9, MemoryWorkingSetBytes: 90 << 20},
		Machines: []*hostv1.MachineStats{
			{
				Id:    "a",
				Usage: &hostv1.Usage{CpuNanoseconds: 1.5e9, MemoryBytes: 64 << 20, MemoryWorkingSetBytes: 60 << 20, MemoryRssBytes: 50 << 20},
				Disks: []*hostv1.DiskTraffic{{DiskId: "a-ephemeral", ReadBytes: 1, WrittenBytes: 2, Reads: 3, Writes: 4, Flushes: 5}},
				Ports: []*hostv1.PortTraffic{{Name: "eth0", ReceivedBytes: 6, SentBytes: 7, ReceivedPackets: 8, SentPackets: 9, ReceivedDropped: 10, SentDropped: 11}},
			},
			{Id: "b", Usage: &hostv1.Usage{CpuNanoseconds: 1e9}},
			{Id: "gone", Usage: &hostv1.Usage{CpuNanoseconds: 1e9}},
		},
	}, nil
}

func scrape(t *testing.T, machines Machines) (int, string) {
	t.Helper()
	pss := func(pid int32) (uint64, bool) { return 40 << 20, pid == 7 }
	answer := httptest.NewRecorder()
	handler(&Collector{Machines: machines, Version: "v1", Proportional: pss}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Code, answer.Body.String()
}

func TestExposition(t *testing.T) {
	code, body := scrape(t, host{})
	if code != http.StatusOK {
		t.Fatal(code, body)
	}
	// What the Go library says of the process differs from run to run.
	ours := regexp.MustCompile(`(?m)^(# (HELP|TYPE) )?pacific_.*\n`).FindAllString(body, -1)
	got := regexp.MustCompile(`goversion="[^"]*"`).ReplaceAllString(strings.Join(ours, ""), `goversion="go"`)
	const golden = "testdata/metrics.txt"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhatCanBeSaidIsSaidWhenMachinesCannotBeMeasured(t *testing.T) {
	_, body := scrape(t, host{failed: errors.New("no cgroups")})
	if !strings.Contains(body, `pacific_host_machines{state="running"} 2`) || strings.Contains(body, "pacific_vm_") {
		t.Errorf("got\n%s", body)
	}
}

func TestOnlyReadersMayRead(t *testing.T) {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, want := range map[string]int{
		"": http.StatusUnauthorized, "admin": http.StatusOK, "metrics-reader": http.StatusOK,
		"image-controller": http.StatusForbidden, "spherelet:host-1": http.StatusForbidden,
	} {
		request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		if name != "" {
			request.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: name}}}}}
		}
		answer := httptest.NewRecorder()
		onlyReaders(ok).ServeHTTP(answer, request)
		if answer.Code != want {
			t.Errorf("%q: %d, want %d", name, answer.Code, want)
		}
	}
}

func TestProportionalOfThisProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skip(err)
	}
	if bytes, ok := Proportional(int32(os.Getpid())); !ok || bytes < 1<<20 {
		t.Errorf("got %d, %v", bytes, ok)
	}
	if _, ok := Proportional(0); ok {
		t.Error("process 0 has a size")
	}
}
