//go:build e2e

package host_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/vmm/qemu"
)

// metric of hostd's, 0 where it is not there.
func (h *host) metric(name string) float64 {
	h.t.Helper()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: h.config("admin"), DisableKeepAlives: true}, Timeout: 20 * time.Second}
	var response *http.Response
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if response, err = client.Get("https://" + metricsAddress + "/metrics"); err == nil {
			break
		}
		if time.Since(begun) > time.Minute { // hostd is just starting before
			h.t.Fatal(err)
		}
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			number, err := strconv.ParseFloat(value, 64)
			h.must(err)
			return number
		}
	}
	return 0
}

// awaitStandby waits until a machine waits to be taken over.
func (h *host) awaitStandby() {
	h.t.Helper()
	for range 3000 {
		if h.metric("pacific_standby_memory_bytes") > 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	h.t.Fatal("no machine waits")
}

// Machines that take over one that waited share nothing with each other, nor with what waited.
func TestStandbysBecomeIndividuals(t *testing.T) {
	h := newHost(t, "--templates", "test:1:128:1", "--standbys", "2")
	seen := map[string]string{}
	for i := range 6 {
		h.awaitStandby()
		id := fmt.Sprintf("11111111-2222-3333-4444-%012d", i)
		vm := h.boot(crxSpec(id))
		if rehearsals := h.say(vm, "rehearsals"); rehearsals != "1" {
			t.Errorf("%s rehearsed %s times", id, rehearsals)
		}
		for _, word := range strings.Fields(h.say(vm, "identity")) {
			if other := seen[word]; other != "" {
				t.Errorf("%s and %s have both %s", id, other, word)
			}
			seen[word] = id
		}
		if want := "machine=" + strings.ReplaceAll(id, "-", ""); seen[want] != id {
			t.Errorf("the machine id of %s is not %s", id, want)
		}
		if mac := h.say(vm, "link"); mac != hostv1.MAC(id) {
			t.Errorf("hardware address %q, want %q", mac, hostv1.MAC(id))
		}
		if link, err := netlink.LinkByName(hostv1.TapName(id)); err != nil || link.Attrs().Flags&net.FlagUp == 0 {
			t.Errorf("the port of %s is %v %v", id, link, err)
		}
		h.clock(vm)
		confined(t, h, vm)
	}
	h.owned(6)
	if got := h.metric(`pacific_crx_starts_total{kind="standby",reason=""}`); got != 6 {
		t.Errorf("%v of 6 machines were standbys", got)
	}
}

// owned checks that the inventory has so many machines that run, and nothing without an owner.
func (h *host) owned(machines int) {
	h.t.Helper()
	inventory, err := h.host.GetInventory(h.ctx(), &hostv1.GetInventoryRequest{})
	h.must(err)
	if len(inventory.Machines) != machines {
		h.t.Errorf("%d machines, want %d", len(inventory.Machines), machines)
	}
	for _, m := range inventory.Machines {
		if m.Pid == 0 || m.Phase != "RUNNING" {
			h.t.Errorf("machine %v", m)
		}
	}
	for _, item := range append(inventory.Taps, inventory.Cgroups...) {
		if item.Owner == "" {
			h.t.Errorf("%s has no owner", item.Name)
		}
	}
}

// hostd is killed with machines that wait and one that was taken over: that one goes on, and of the others nothing is left.
func TestStandbysWhenHostdIsKilled(t *testing.T) {
	h := newHost(t, "--templates", "test:1:128:1", "--standbys", "2")
	h.awaitStandby()
	vm := h.boot(crxSpec("taken"))
	for range 3 {
		h.awaitStandby()
		h.kill()
		h.start()
		after := h.await("taken", ready)
		if after.Pid != vm.Pid || after.Starts != 1 {
			t.Errorf("after hostd was killed: %v", after)
		}
		if answer := h.say(after, "hello"); answer != "echo hello" {
			t.Errorf("the guest answers %q", answer)
		}
	}
	h.owned(1)
	h.destroy("taken")
	h.kill()
	h.args = append(h.args, "--standbys", "0")
	h.start()
	h.conn.Connect()
	h.again(func() error {
		_, err := h.machines.List(h.ctx(), &hostv1.ListRequest{})
		return err
	})
	h.empty()
	h.noSpares()
}

// noSpares checks that no tap of a standby machine is left.
func (h *host) noSpares() {
	h.t.Helper()
	links, err := netlink.LinkList()
	h.must(err)
	for _, link := range links {
		if strings.HasPrefix(link.Attrs().Name, "sby") {
			h.t.Errorf("left: %s", link.Attrs().Name)
		}
	}
}

// hostd is killed at some moment of a start from a standby machine: whatever came of it, the machine runs once, and nothing is left.
func TestKilledWhileTakingOver(t *testing.T) {
	h := newHost(t, "--templates", "test:1:128:1", "--standbys", "1")
	for i := range 5 {
		h.awaitStandby()
		id := fmt.Sprintf("chaos-%d", i)
		h.createKilledAfter(id, time.Duration(i)*14*time.Millisecond)
		h.owned(1)
		h.destroy(id)
		h.owned(0)
	}
}

// A standby machine whose VMM was killed is not taken: the machine is cloned, and another one is made to wait.
func TestStandbyThatIsDead(t *testing.T) {
	h := newHost(t, "--templates", "test:1:128:1", "--standbys", "1")
	h.awaitStandby()
	found, err := (&qemu.QEMU{}).Find(filepath.Join(h.run, "s"))
	h.must(err)
	if len(found) != 1 {
		t.Fatalf("standby machines %v", found)
	}
	h.must(syscall.Kill(found[0].Process.PID, syscall.SIGKILL))
	vm := h.boot(crxSpec("other"))
	if rehearsals := h.say(vm, "rehearsals"); rehearsals != "0" {
		t.Errorf("it rehearsed %s times, so it was no clone", rehearsals)
	}
	h.owned(1)
	h.destroy("other")
}
