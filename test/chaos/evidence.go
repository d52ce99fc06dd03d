package chaos

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
)

// How much of what is known about a problem goes into its report.
const (
	maxExplained = 6
	maxEvents    = 8
	maxLogLines  = 20
)

// explain adds to each problem the last events and lines of the daemons' logs about what it names.
func (l *load) explain(ctx context.Context, problems []string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportTime)
	defer cancel()
	pods, err := l.Client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		pods = &corev1.PodList{}
	}
	events, err := l.Client.CoreV1().Events(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		events = &corev1.EventList{}
	}
	var out strings.Builder
	for i, problem := range problems {
		fmt.Fprintf(&out, "\n%s\n", problem)
		if i >= maxExplained {
			continue
		}
		about := names(problem, pods.Items)
		for _, line := range eventsAbout(events.Items, about) {
			fmt.Fprintf(&out, "    event: %s\n", line)
		}
		for _, line := range logsAbout(l.LogDir(), about) {
			fmt.Fprintf(&out, "    %s\n", line)
		}
	}
	return out.String()
}

var (
	ids     = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\btap[0-9a-f]{12}\b|\b10\.244\.\d+\.\d+\b`)
	objects = regexp.MustCompile(`\b(?:pod|job|deployment|stateful set|CronJob|daemon) (?:[a-z0-9-]+/)?([a-z0-9.-]+)`)
)

// names are all names of what a problem names: those of a pod are also its UID and its tap, those of a workload its pods'.
func names(problem string, pods []corev1.Pod) []string {
	found := ids.FindAllString(problem, -1)
	for _, match := range objects.FindAllStringSubmatch(problem, -1) {
		found = append(found, match[1])
	}
	for _, pod := range pods {
		uid := string(pod.UID)
		own := []string{pod.Name, uid, hostv1.TapName(podapi.MachineID(uid))}
		if slices.ContainsFunc(found, func(name string) bool {
			return slices.Contains(own, name) || strings.HasPrefix(pod.Name, name+"-")
		}) {
			found = append(found, own...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func eventsAbout(events []corev1.Event, about []string) []string {
	var lines []string
	for _, e := range events {
		if slices.Contains(about, e.InvolvedObject.Name) || slices.Contains(about, string(e.InvolvedObject.UID)) {
			lines = append(lines, fmt.Sprintf("%s %s %s: %s (%d times)",
				e.LastTimestamp.UTC().Format("15:04:05"), e.InvolvedObject.Name, e.Reason, e.Message, e.Count))
		}
	}
	slices.Sort(lines)
	return last(lines, maxEvents)
}

// logsAbout are the last lines of each daemon's log that hold one of the names.
func logsAbout(dir string, about []string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	var lines []string
	for _, path := range files {
		lines = append(lines, last(linesWith(path, about), maxLogLines/2)...)
	}
	return last(lines, maxLogLines)
}

func linesWith(path string, about []string) []string {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	var lines []string
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		text := scanner.Text()
		if strings.Contains(text, etcdChatter) {
			continue
		}
		if slices.ContainsFunc(about, func(name string) bool { return strings.Contains(text, name) }) {
			lines = append(lines, strings.TrimSuffix(filepath.Base(path), ".log")+": "+text)
		}
	}
	return lines
}

// etcdChatter marks what etcd says of slow requests. It names the objects, and nothing of what became of them.
const etcdChatter = `component="etcd"`

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }
