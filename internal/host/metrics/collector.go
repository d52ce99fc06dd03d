// Package metrics shows the host's machines as Prometheus sees the world: what each takes of processors, memory, disks and
// network, measured from outside. All of it is measured at the scrape; without a scrape nothing happens.
package metrics

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	hostv1 "pacific/api/host/v1"
)

// Machines is what is measured.
type Machines interface {
	List() []*hostv1.VirtualMachine
	Stats(ctx context.Context, disks bool) (*hostv1.GetStatsResponse, error)
	// Admission is memory that machines may have, memory that those running have, and the number of refused starts.
	Admission() (capacity, used, refused uint64)
}

// Collector implements prometheus.Collector.
type Collector struct {
	Machines Machines
	Version  string
	// More collectors that are shown beside.
	More []prometheus.Collector
	// Proportional is the proportional set size of a process in bytes; false where the kernel does not tell.
	Proportional func(pid int32) (uint64, bool)
}

// collectTimeout is far below a scrape's usual 10 s. A VMM that does not answer by then has no disk counters.
const collectTimeout = 5 * time.Second

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pacific_"+name, help, labels, nil)
}

// identity are the labels of a machine.
var identity = []string{"machine", "type", "mode", "namespace", "pod"}

func ofMachine(name, help string, more ...string) *prometheus.Desc {
	return describe("vm_"+name, help, append(append([]string{}, identity...), more...)...)
}

var (
	buildInfo = describe("hostd_build_info", "A constant 1, labelled by the versions of hostd and Go.", "version", "goversion")
	machines  = describe("host_machines", "Machines that the host knows, by state.", "state")
	capacity  = describe("host_admission_memory_capacity_bytes", "Memory that running machines may have together.")
	admitted  = describe("host_admission_memory_used_bytes", "Memory that running machines were given.")
	refused   = describe("host_admission_refused_total", "Starts refused for lack of memory since hostd started.")
	totalCPU  = describe("host_machines_cpu_seconds_total", "Processor time of all machines, those that are gone included.")
	totalSet  = describe("host_machines_memory_working_set_bytes", "Memory of all machines without file pages that were not used lately.")

	started  = ofMachine("start_time_seconds", "When the machine was started, since the epoch.")
	starts   = ofMachine("starts_total", "How often the machine was started.")
	cpu      = ofMachine("cpu_seconds_total", "Processor time of the machine, its VMM included.")
	vcpus    = ofMachine("vcpus", "Virtual processors of the machine.")
	guest    = ofMachine("memory_guest_bytes", "Memory that the guest has.")
	usage    = ofMachine("memory_usage_bytes", "Memory that the host accounts to the machine.")
	working  = ofMachine("memory_working_set_bytes", "Memory of the machine without file pages that were not used lately.")
	resident = ofMachine("memory_rss_bytes", "Anonymous memory of the machine.")
	pss      = ofMachine("memory_pss_bytes", "Proportional set size of the machine's VMM: shared pages are divided among those that share them.")

	diskReadBytes    = ofMachine("disk_read_bytes_total", "Bytes read from the disk.", "disk")
	diskWrittenBytes = ofMachine("disk_written_bytes_total", "Bytes written to the disk.", "disk")
	diskReads        = ofMachine("disk_reads_total", "Completed reads of the disk.", "disk")
	diskWrites       = ofMachine("disk_writes_total", "Completed writes of the disk.", "disk")
	diskFlushes      = ofMachine("disk_flushes_total", "Completed flushes of the disk.", "disk")

	receivedBytes   = ofMachine("network_receive_bytes_total", "Bytes that the guest received.", "port")
	sentBytes       = ofMachine("network_transmit_bytes_total", "Bytes that the guest sent.", "port")
	receivedPackets = ofMachine("network_receive_packets_total", "Packets that the guest received.", "port")
	sentPackets     = ofMachine("network_transmit_packets_total", "Packets that the guest sent.", "port")
	receivedDropped = ofMachine("network_receive_dropped_total", "Packets for the guest that were dropped.", "port")
	sentDropped     = ofMachine("network_transmit_dropped_total", "Packets of the guest that were dropped.", "port")
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		buildInfo, machines, capacity, admitted, refused, totalCPU, totalSet,
		started, starts, cpu, vcpus, guest, usage, working, resident, pss,
		diskReadBytes, diskWrittenBytes, diskReads, diskWrites, diskFlushes,
		receivedBytes, sentBytes, receivedPackets, sentPackets, receivedDropped, sentDropped,
	} {
		out <- d
	}
}

// sink takes metrics.
type sink chan<- prometheus.Metric

func (s sink) gauge(d *prometheus.Desc, value float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (s sink) counter(d *prometheus.Desc, value float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	out := sink(metrics)
	out.gauge(buildInfo, 1, c.Version, runtime.Version())
	room, used, refusals := c.Machines.Admission()
	out.gauge(capacity, float64(room))
	out.gauge(admitted, float64(used))
	out.counter(refused, float64(refusals))
	known := map[string]*hostv1.VirtualMachine{}
	states := map[hostv1.VirtualMachine_Phase]int{hostv1.VirtualMachine_CREATED: 0, hostv1.VirtualMachine_RUNNING: 0, hostv1.VirtualMachine_STOPPED: 0}
	for _, vm := range c.Machines.List() {
		known[vm.Spec.Id] = vm
		states[vm.Phase]++
	}
	for phase, count := range states {
		out.gauge(machines, float64(count), strings.ToLower(phase.String()))
	}
	stats, err := c.Machines.Stats(ctx, true)
	if err != nil {
		slog.Error("cannot measure the machines", "err", err)
		out <- prometheus.NewInvalidMetric(totalCPU, err)
		return
	}
	out.counter(totalCPU, seconds(stats.MachinesTotal.GetCpuNanoseconds()))
	out.gauge(totalSet, float64(stats.MachinesTotal.GetMemoryWorkingSetBytes()))
	for _, s := range stats.Machines {
		if vm := known[s.Id]; vm != nil {
			c.machine(out, vm, s)
		}
	}
}

func (c *Collector) machine(out sink, vm *hostv1.VirtualMachine, s *hostv1.MachineStats) {
	labels := labelsOf(vm.Spec)
	if vm.StartedAt != nil {
		out.gauge(started, float64(vm.StartedAt.AsTime().UnixMilli())/1e3, labels...)
	}
	out.counter(starts, float64(vm.Starts), labels...)
	out.counter(cpu, seconds(s.Usage.GetCpuNanoseconds()), labels...)
	out.gauge(vcpus, float64(vm.Spec.Vcpus), labels...)
	out.gauge(guest, float64(vm.Spec.MemoryBytes), labels...)
	out.gauge(usage, float64(s.Usage.GetMemoryBytes()), labels...)
	out.gauge(working, float64(s.Usage.GetMemoryWorkingSetBytes()), labels...)
	out.gauge(resident, float64(s.Usage.GetMemoryRssBytes()), labels...)
	if bytes, ok := c.Proportional(vm.Pid); ok {
		out.gauge(pss, float64(bytes), labels...)
	}
	for _, d := range s.Disks {
		of := append(labels[:len(labels):len(labels)], d.DiskId)
		out.counter(diskReadBytes, float64(d.ReadBytes), of...)
		out.counter(diskWrittenBytes, float64(d.WrittenBytes), of...)
		out.counter(diskReads, float64(d.Reads), of...)
		out.counter(diskWrites, float64(d.Writes), of...)
		out.counter(diskFlushes, float64(d.Flushes), of...)
	}
	for _, p := range s.Ports {
		of := append(labels[:len(labels):len(labels)], p.Name)
		out.counter(receivedBytes, float64(p.ReceivedBytes), of...)
		out.counter(sentBytes, float64(p.SentBytes), of...)
		out.counter(receivedPackets, float64(p.ReceivedPackets), of...)
		out.counter(sentPackets, float64(p.SentPackets), of...)
		out.counter(receivedDropped, float64(p.ReceivedDropped), of...)
		out.counter(sentDropped, float64(p.SentDropped), of...)
	}
}

// labelsOf a machine, in the order of identity. Namespace and pod are labels that the spherelet gives the machines of
// Native Pods.
func labelsOf(spec *hostv1.VirtualMachineSpec) []string {
	kind, mode := "vm", ""
	if crx := spec.GetCrx(); crx != nil {
		kind, mode = "crx", strings.ToLower(crx.GetMode().String())
	}
	return []string{spec.GetId(), kind, mode, spec.GetLabels()["namespace"], spec.GetLabels()["name"]}
}

func seconds(nanoseconds uint64) float64 { return float64(nanoseconds) / 1e9 }
