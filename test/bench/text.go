package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// row of a report: what, how much.
type row struct{ what, value string }

// rows of all sections, as people read them. An empty row separates sections.
func (r *Results) rows() []row {
	m := r.Machine
	rows := []row{
		{"machine", fmt.Sprintf("%d cores, %s, Linux %s", m.CPUs, mib(int64(m.MemoryBytes)), m.Kernel)},
		{"virtual machines", fmt.Sprintf("%s, accelerator %s, guest kernel %s, on %d hosts", m.VMM, m.Accelerator, m.GuestKernel, m.Hosts)},
		{"workload of the pods", r.Workload},
	}
	if r.F != nil {
		rows = append(rows, row{}, row{fmt.Sprintf("F: bare machine, process to init, p50 of %d", r.F.Boots), seconds(r.F.P50)})
	}
	for _, section := range [][]row{r.Start.rows(), r.Burst.rows("burst"), r.Memory.rows(), r.Scale.rows("scale"), r.Idle.rows()} {
		if len(section) > 0 {
			rows = append(append(rows, row{}), section...)
		}
	}
	return rows
}

func (s *Start) rows() []row {
	if s == nil {
		return nil
	}
	rows := []row{
		{fmt.Sprintf("start: one at a time, create to Ready, p50 of %d", s.Pods), seconds(s.P50) + byF(s.P50ByF)},
		{"p90", seconds(s.P90) + byF(s.P90ByF)},
		{"delete to gone, p50", seconds(s.Deletion)},
	}
	for _, stage := range s.Stages {
		rows = append(rows, row{"after the host got the pod: " + stage.Name, fmt.Sprintf("%s (p90 %s)", seconds(stage.P50), seconds(stage.P90))})
	}
	return rows
}

func (c *Crowd) rows(name string) []row {
	if c == nil {
		return nil
	}
	return []row{
		{fmt.Sprintf("%s: %d at once, all Ready", name, c.Pods), seconds(c.AllReady) + byF(c.AllReadyByF)},
		{"each from its create, p50, p90", seconds(c.P50) + ", " + seconds(c.P90)},
		{fmt.Sprintf("watched for %.0f s: not Ready any more, restarts", c.Hold), fmt.Sprintf("%d, %d", c.Lapses, c.Restarts)},
		{fmt.Sprintf("delete of %d until nothing is left", c.Pods), seconds(c.Deletion)},
	}
}

func (m *Memory) rows() []row {
	if m == nil {
		return nil
	}
	both := func(what string, of func(Parts) int64) row {
		return row{what, fmt.Sprintf("%s (max %s)", mib(of(m.Mean)), mib(of(m.Max)))}
	}
	rows := []row{
		both(fmt.Sprintf("memory: host side of an idle pod, PSS, mean of %d", m.Pods), Parts.Total),
		both("guest memory, its own", func(p Parts) int64 { return p.GuestPrivate }),
		both("guest memory, share of the template", func(p Parts) int64 { return p.GuestShared }),
		both("translation cache", func(p Parts) int64 { return p.TranslationCache }),
		both("QEMU's heap and stacks", func(p Parts) int64 { return p.Heap }),
		both("QEMU's code and libraries, share", func(p Parts) int64 { return p.Files }),
		{"overhead that the scheduler counts", fmt.Sprintf("%s, %.2f of the mean", mib(m.Over.Counted), m.Over.ByMean)},
	}
	for _, daemon := range slices.Sorted(maps.Keys(m.Daemons)) {
		rows = append(rows, row{"beside it, all hosts: " + daemon, mib(m.Daemons[daemon])})
	}
	return rows
}

func (i *Idle) rows() []row {
	if i == nil {
		return nil
	}
	rows := []row{
		{fmt.Sprintf("idle: VMMs of %d pods over %.0f s", i.Pods, i.Window), core(i.Machines)},
		{"each", fmt.Sprintf("%.3f %% of a core", i.PerPod)},
	}
	for _, daemon := range slices.Sorted(maps.Keys(i.Daemons)) {
		rows = append(rows, row{"beside it, all hosts: " + daemon, core(i.Daemons[daemon])})
	}
	return rows
}

func seconds(s float64) string { return fmt.Sprintf("%.3f s", s) }
func mib(bytes int64) string   { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
func core(p float64) string    { return fmt.Sprintf("%.2f %% of a core", p) }

func byF(ratio float64) string {
	if ratio == 0 {
		return ""
	}
	return fmt.Sprintf(" = %.2f F", ratio)
}

func (r *Results) writeText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, row := range r.rows() {
		fmt.Fprintf(w, "%s\t%s\n", row.what, row.value)
	}
	return w.Flush()
}

const pageHead = `# Measurements

Made by ` + "`make measurements`" + `, which runs the whole of ` + "`make bench`" + ` and writes this page; not edited by hand. F is the time that a bare
QEMU microvm with the same kernel takes from the start of its process to its init, measured in the same run. What each
figure is and how it is taken stands in the code of test/bench.

`

// writePage writes the results as docs/measurements.md.
func (r *Results) writePage(out io.Writer) error {
	var b strings.Builder
	b.WriteString(pageHead)
	head := true
	for _, row := range r.rows() {
		switch {
		case row.what == "":
			b.WriteString("\n")
			head = true
		case head:
			fmt.Fprintf(&b, "| %s | %s |\n|---|---|\n", row.what, row.value)
			head = false
		default:
			fmt.Fprintf(&b, "| %s | %s |\n", row.what, row.value)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
