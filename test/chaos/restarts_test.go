package chaos

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestRestartProblems(t *testing.T) {
	const one, two, three = "uid/1", "uid/2", "uid/3"
	for _, test := range []struct {
		name            string
		phase           corev1.PodPhase
		restarts, kills int
		heard           string
		want            string // a part of the problem, none if empty
	}{
		{"undisturbed", corev1.PodRunning, 0, 0, one + " " + one, ""},
		{"killed once", corev1.PodRunning, 1, 1, one + " " + one + " " + two + " " + two, ""},
		{"killed before its container began", corev1.PodRunning, 0, 1, one + " " + one, ""},
		{"a run that was killed before its start was on disk", corev1.PodRunning, 0, 1, one + " " + two + " " + two, ""},
		{"killed by something else", corev1.PodRunning, 2, 1, "", "restarted 2 times, its machine was killed 1 times"},
		{"a run that was not counted", corev1.PodRunning, 1, 2, one + " " + one + " " + two + " " + two + " " + three + " " + three, "counts 1 restarts, the witness heard 3 runs"},
		{"failed by itself", corev1.PodFailed, 0, 0, "", "failed, and nobody killed its machine"},
		{"failed when it was killed", corev1.PodFailed, 0, 1, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "uid"},
				Status:     corev1.PodStatus{Phase: test.phase, ContainerStatuses: []corev1.ContainerStatus{{Name: "c", RestartCount: int32(test.restarts)}}},
			}
			var beats []Beat
			for run := range strings.FieldsSeq(test.heard) {
				beats = append(beats, Beat{Key: "k", Run: run})
			}
			found := restartProblems([]corev1.Pod{pod}, map[string]int{"uid": test.kills}, beats)
			if (test.want == "") != (len(found) == 0) || len(found) > 0 && !strings.Contains(found[0], test.want) {
				t.Errorf("%q, want %q", found, test.want)
			}
		})
	}
}

func TestCounterProblem(t *testing.T) {
	for _, test := range []struct {
		log      string
		complete bool
		want     string
	}{
		{"", false, ""},
		{"0\n1\n2\n", false, ""},
		{"0\n1\ndone\n", true, ""},
		{"0\n1\n", true, "its log ends after 2 lines without its last word"},
		{"0\n2\n", false, `line 1 of its log is "2"`},
		{"0\n1\n0\n", false, `line 2 of its log is "0"`},
		{"1\n", false, `line 0 of its log is "1"`},
	} {
		if got := counterProblem(test.log, test.complete); got != test.want {
			t.Errorf("%q: %q, want %q", test.log, got, test.want)
		}
	}
}

func TestNames(t *testing.T) {
	pods := []corev1.Pod{
		{ObjectMeta: metav1.ObjectMeta{Name: "exclusive-3-abcde", UID: "00000000-0000-0000-0000-000000000001"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "db-0", UID: "00000000-0000-0000-0000-000000000002"}},
	}
	for problem, want := range map[string]string{
		"job exclusive-3 is not over": "exclusive-3-abcde",
		"host-1 has machine 00000000-0000-0000-0000-000000000002 (x, RUNNING) without a pod": "db-0",
		"the machine of pod chaos-x/db-0 on host-1 does not run":                             "00000000-0000-0000-0000-000000000002",
	} {
		if got := names(problem, pods); !slices.Contains(got, want) {
			t.Errorf("%s: %q lacks %s", problem, got, want)
		}
	}
}
