package slack

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A thread's own is in no file that everyone may read, but the first thread's of a new process is what it inherited.
func ofAChild(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("cat", "/proc/self/timerslack_ns").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestInherited(t *testing.T) {
	var inside string
	err := Inherited(3*time.Millisecond, func() error {
		inside = ofAChild(t)
		return nil
	})
	if err != nil || inside != fmt.Sprint((3*time.Millisecond).Nanoseconds()) {
		t.Errorf("a child has %s ns, %v", inside, err)
	}
}
