package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"
)

// percentile of durations by the nearest rank; p from 0 to 100.
func percentile(durations []time.Duration, p float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// stage of the start of pods: how long after the spherelet got each pod it was over.
type stage struct {
	name string
	ends []time.Duration
}

// stagesOf turns what spherelet tells of each pod into stages in the order in which they usually end.
func stagesOf(pods []map[string]float64) []stage {
	ends := map[string][]time.Duration{}
	for _, pod := range pods {
		for name, seconds := range pod {
			ends[name] = append(ends[name], time.Duration(seconds*float64(time.Second)))
		}
	}
	var stages []stage
	for name, durations := range ends {
		stages = append(stages, stage{name, durations})
	}
	slices.SortFunc(stages, func(a, b stage) int {
		return cmp.Or(cmp.Compare(percentile(a.ends, 50), percentile(b.ends, 50)), cmp.Compare(a.name, b.name))
	})
	return stages
}

func report(out io.Writer, accelerator string, bare, starts []time.Duration, stages []stage) {
	f, p50, p90 := percentile(bare, 50), percentile(starts, 50), percentile(starts, 90)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "accelerator\t%s\t\n", accelerator)
	fmt.Fprintf(w, "F, bare machine to its init, p50 of %d\t%s\t\n", len(bare), text(f))
	fmt.Fprintf(w, "pod, create to Ready, p50 of %d\t%s\t\n", len(starts), text(p50))
	fmt.Fprintf(w, "pod, create to Ready, p90 of %d\t%s\t\n", len(starts), text(p90))
	fmt.Fprintf(w, "ratio p50 / F\t%.2f\t\n", float64(p50)/float64(f))
	fmt.Fprintf(w, "\t\t\n")
	fmt.Fprintf(w, "stage ends after the host got the pod\tp50\tp90\t\n")
	for _, s := range stages {
		fmt.Fprintf(w, "%s\t%s\t%s\t\n", s.name, text(percentile(s.ends, 50)), text(percentile(s.ends, 90)))
	}
	_ = w.Flush()
}

func text(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
