package placement

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The scripts say what the inventory is, a thing a line (name key=value…), and show decisions.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var in Inventory
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			lines := parse(t, d)
			switch d.Cmd {
			case "hosts":
				in = Inventory{}
				for _, l := range lines {
					in.Hosts = append(in.Hosts, l.host())
				}
			case "rules":
				in.Rules = nil
				for _, l := range lines {
					in.Rules = append(in.Rules, l.rule())
				}
			case "machines":
				in.Machines = nil
				for _, l := range lines {
					in.Machines = append(in.Machines, l.machine())
				}
			case "pools":
				for _, l := range lines {
					in.Pools = append(in.Pools, Pool{ID: l.name, Name: l.text("called"), Limit: l.resources("limit"), Reserved: l.resources("reserved")})
				}
			case "place":
				return Place(in, lines[0].machine()).Text()
			case "place-all":
				var list []Machine
				for _, l := range lines {
					list = append(list, l.machine())
				}
				return PlaceAll(in, list).Text()
			case "evacuate":
				return evacuation(Evacuate(in, lines[0].name))
			case "restart":
				return evacuation(Restart(in, lines[0].name))
			case "violations":
				return show(Violations(in), func(b Broken) string { return b.Message + " (rule " + b.Rule + ")" })
			case "balance":
				return show(Balance(in), func(m Move) string { return fmt.Sprintf("%s: %s to %s: %s", m.Name, m.FromName, m.ToName, m.Message) })
			default:
				t.Fatalf("unknown command %s", d.Cmd)
			}
			return "ok"
		})
	})
}

func show[T any](list []T, text func(T) string) string {
	out := fmt.Sprintf("%d\n", len(list))
	for _, item := range list {
		out += text(item) + "\n"
	}
	return out
}

func evacuation(e Evacuation) string {
	out := e.Message + "\n"
	for _, m := range e.Moves {
		out += fmt.Sprintf("move %s to %s\n", m.Name, m.ToName)
	}
	for _, s := range e.Stops {
		out += fmt.Sprintf("stop %s: %s\n", s.Name, s.Message)
	}
	return out
}

// line is a name with values.
type line struct {
	t      *testing.T
	name   string
	values map[string]string
}

func parse(t *testing.T, d *datadriven.TestData) []line {
	var list []line
	for text := range strings.Lines(d.Input) {
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		l := line{t: t, name: fields[0], values: map[string]string{}}
		for _, f := range fields[1:] {
			key, value, _ := strings.Cut(f, "=")
			l.values[key] = value
		}
		list = append(list, l)
	}
	return list
}

func (l line) has(key string) bool    { _, ok := l.values[key]; return ok }
func (l line) text(key string) string { return l.values[key] }
func (l line) list(key string) []string {
	if l.values[key] == "" {
		return nil
	}
	return strings.Split(l.values[key], ",")
}

func (l line) number(key string) int64 {
	if l.values[key] == "" {
		return 0
	}
	n, err := strconv.ParseInt(l.values[key], 10, 64)
	if err != nil {
		l.t.Fatalf("%s: %v", l.name, err)
	}
	return n
}

// resources are MHz,MiB.
func (l line) resources(key string) Resources {
	mhz, mib, _ := strings.Cut(l.values[key], ",")
	part := line{l.t, l.name, map[string]string{"mhz": mhz, "mib": mib}}
	return Resources{part.number("mhz"), part.number("mib") << 20}
}

func (l line) host() Host {
	h := Host{ID: l.name, Name: l.name, State: Connected, Maintenance: l.has("maintenance"), CPUs: int(l.number("cpus")), Capacity: l.resources("has"),
		Reserved: l.resources("reserved"), Used: l.resources("used"), Networks: l.list("networks"), Labels: map[string]string{}}
	if l.has("away") {
		h.State = NotResponding
	}
	if l.has("disconnected") {
		h.State = Disconnected
	}
	if l.has("zone") {
		h.Labels["zone"] = l.text("zone")
	}
	for _, d := range l.list("datastores") {
		id, mib, _ := strings.Cut(d, ":")
		n, _ := strconv.ParseInt(mib, 10, 64)
		h.Datastores = append(h.Datastores, Datastore{id, n << 20})
	}
	return h
}

func (l line) machine() Machine {
	m := Machine{ID: l.name, Name: l.name, Host: l.text("on"), CPUs: int(l.number("cpus")), MemoryBytes: l.number("memory") << 20, Reservation: l.resources("reserves"),
		OverheadBytes: l.number("overhead") << 20, Used: l.resources("used"), Networks: l.list("networks"), Groups: l.list("groups"), Pinned: l.has("pinned"), Pool: l.text("pool")}
	for _, d := range l.list("disks") {
		mib, id, _ := strings.Cut(d, "@")
		n, _ := strconv.ParseInt(mib, 10, 64)
		m.Disks = append(m.Disks, Disk{id, n << 20})
	}
	return m
}

func (l line) rule() Rule {
	kind := Kind(l.text("kind"))
	if !slices.Contains(Kinds, kind) {
		l.t.Fatalf("rule %s: no kind %q", l.name, kind)
	}
	return Rule{Name: l.name, Kind: kind, Group: l.text("group"), Must: l.has("must"), Hosts: l.list("hosts"), Label: l.text("label"), Count: int(l.number("count"))}
}
