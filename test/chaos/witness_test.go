package chaos

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestOverlaps(t *testing.T) {
	for _, test := range []struct {
		name, beats string // key/run, in the order of their coming
		want        int
	}{
		{"one after the other", "a/1 a/1 a/2 a/2 a/3", 0},
		{"keys have nothing to do with each other", "a/1 b/1 a/1 b/1", 0},
		{"speaks after its successor began", "a/1 a/2 a/1", 1},
		{"both go on", "a/1 a/2 a/1 a/2 a/1", 2},
		{"comes back after two", "a/1 a/2 a/3 a/1", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := overlaps(beatsOf(test.beats)); len(got) != test.want {
				t.Errorf("%d overlaps, want %d: %v", len(got), test.want, got)
			}
		})
	}
}

func beatsOf(text string) []Beat {
	var beats []Beat
	for field := range strings.FieldsSeq(text) {
		key, run, _ := strings.Cut(field, "/")
		run, end := strings.CutSuffix(run, "!")
		beats = append(beats, Beat{Key: key, Run: run, End: end})
	}
	return beats
}

func TestEnded(t *testing.T) {
	if got := ended(beatsOf("a/1 a/1! a/1! a/2 b/3! a/4!"), "a"); got != 2 {
		t.Errorf("%d runs came to their end, want 2", got)
	}
}

// TestScript runs what pods run.
func TestScript(t *testing.T) {
	const busybox = "/bin/busybox"
	if _, err := os.Stat(busybox); err != nil {
		t.Skip("no busybox")
	}
	w, err := newWitness("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	command := exec.Command(busybox, "sh", "-c", w.script("job", 2))
	command.Env = []string{"POD_UID=uid", "PATH=/bin:/usr/bin"}
	log, err := command.Output()
	if problem := counterProblem(string(log), true); err != nil || problem != "" || !strings.HasPrefix(string(log), "0\n1\n") {
		t.Errorf("%v %s: %q", err, problem, log)
	}
	beats := w.heard()
	if ended(beats, "job") != 1 || runsOf(beats)["uid"] != 1 || len(overlaps(beats)) > 0 {
		t.Errorf("the witness heard %+v", beats)
	}
}
