//go:build e2e

package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	hostv1 "pacific/api/host/v1"
)

// Clones of one template share nothing by which one could be taken for another, or guess what another one knows.
func TestClones(t *testing.T) {
	h := newHost(t, "--templates", "test:1:128:1")
	h.awaitTemplate()
	seen := map[string]string{}
	for i := range 10 {
		id := fmt.Sprintf("11111111-2222-3333-4444-%012d", i)
		vm := h.boot(crxSpec(id))
		if line := h.say(vm, "cmdline"); !strings.Contains(line, "crx.template=1") {
			t.Errorf("it is no clone: %q", line)
		}
		for _, word := range strings.Fields(h.say(vm, "identity")) {
			if other := seen[word]; other != "" {
				t.Errorf("%s and %s have both %s", id, other, word)
			}
			if name, value, _ := strings.Cut(word, "="); len(value) < 32 {
				t.Errorf("%s: %s is %q", id, name, value)
			}
			seen[word] = id
		}
		if mac := h.say(vm, "link"); mac != hostv1.MAC(id) {
			t.Errorf("hardware address %q, want %q", mac, hostv1.MAC(id))
		}
		h.clock(vm)
		if i%2 == 1 {
			h.destroy(id)
		}
	}
}

// clock compares the guest's with the host's, which was read before and after.
func (h *host) clock(vm *hostv1.VirtualMachine) {
	h.t.Helper()
	const allowed = 50 * time.Millisecond
	before := time.Now()
	answer := h.say(vm, "clock")
	after := time.Now()
	nanos, err := strconv.ParseInt(answer, 10, 64)
	h.must(err)
	if guest := time.Unix(0, nanos); guest.Before(before.Add(-allowed)) || guest.After(after.Add(allowed)) {
		h.t.Errorf("the guest's clock is %s, the host's was %s before and %s after", guest, before, after)
	}
}

// awaitTemplate waits until a template is whole.
func (h *host) awaitTemplate() {
	h.t.Helper()
	for range 3000 {
		if found, _ := filepath.Glob(filepath.Join(h.dir, "state", "templates", "*", "template.json")); len(found) > 0 && !strings.Contains(found[0], ".making") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	h.t.Fatal("no template is made")
}

// Processors that wait in a template go on in its clones.
func TestCloneWithTwoProcessors(t *testing.T) {
	h := newHost(t, "--templates", "test:2:128:1")
	h.awaitTemplate()
	for _, id := range []string{"two-a", "two-b"} {
		spec := crxSpec(id)
		spec.Vcpus = 2
		vm := h.boot(spec)
		if line := h.say(vm, "cmdline"); !strings.Contains(line, "crx.template=1") {
			t.Errorf("it is no clone: %q", line)
		}
		h.clock(vm)
		h.destroy(id)
	}
	h.empty()
}

// hostd is killed while it makes a template, and comes back to a damaged one: machines start all the same, and there is a good
// template again.
func TestTemplatesThatFail(t *testing.T) {
	h := newHost(t, "--templates", "test:1:128:1")
	time.Sleep(time.Second) // so that the template's guest is booting, most likely
	h.kill()
	h.start()
	h.awaitTemplate()
	h.boot(crxSpec("before"))
	h.destroy("before")
	h.kill()
	files, err := filepath.Glob(filepath.Join(h.dir, "state", "templates", "*", "state"))
	h.must(err)
	if len(files) != 1 {
		t.Fatalf("templates %v", files)
	}
	h.must(os.WriteFile(files[0], []byte("damaged"), 0o600))
	h.start()
	h.boot(crxSpec("after"))
	h.destroy("after")
	h.awaitTemplate()
	h.empty()
}
