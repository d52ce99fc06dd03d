package agent

import (
	"os"
	"testing"
)

func TestRehearsedLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := Rehearsed([]string{dir}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if err := Rehearsed([]string{dir + "/none"}); err == nil {
		t.Error("no directory is no error")
	}
}
