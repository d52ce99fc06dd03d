package template

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var small = Key{Class: Class{"test", 1, 4 << 20, 1}, Kernel: "k"}

// stored is a template on disk.
func stored(t *testing.T) (store, record) {
	t.Helper()
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	memory, err := newMemory(small.Class.MemoryBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	for _, at := range []int64{0, 5000, 3<<20 + 17} {
		if _, err := memory.WriteAt([]byte("memory"), at); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := s.begin(small)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state"), []byte("devices"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.finish(dir, small, memory); err != nil {
		t.Fatal(err)
	}
	records, err := s.list()
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	return s, records[0]
}

func TestLoad(t *testing.T) {
	s, r := stored(t)
	loaded, err := s.load(r)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.memory.Close()
	got := make([]byte, small.Class.MemoryBytes)
	if _, err := loaded.memory.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, small.Class.MemoryBytes)
	for _, at := range []int64{0, 5000, 3<<20 + 17} {
		copy(want[at:], "memory")
	}
	if !bytes.Equal(got, want) {
		t.Error("the memory is not what was stored")
	}
	if have := allocated(loaded.memory); have > 256<<10 {
		t.Errorf("three pages of memory take %d bytes", have)
	}
}

// A clone whose VMM was taken over holds the memory open for writing, but cannot change it.
func TestMemoryIsSealed(t *testing.T) {
	s, r := stored(t)
	loaded, err := s.load(r)
	if err != nil {
		t.Fatal(err)
	}
	c, err := loaded.open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := loaded.memory.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Memory.WriteAt([]byte("x"), 0); err == nil {
		t.Error("it can be written")
	}
	if err := c.Memory.Truncate(0); err == nil {
		t.Error("it can be cut off")
	}
	if _, err := unix.Mmap(int(c.Memory.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
		t.Error("it can be mapped for writing")
	}
	private, err := unix.Mmap(int(c.Memory.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	private[0] = 'x'
	first := make([]byte, 6)
	if _, err := c.Memory.ReadAt(first, 0); err != nil || string(first) != "memory" {
		t.Errorf("a private mapping changes it: %q %v", first, err)
	}
	_ = unix.Munmap(private)
}

func TestWhatIsDamagedIsNotUsed(t *testing.T) {
	for name, damage := range map[string]func(s store, id string) error{
		"memory": func(s store, id string) error { return overwrite(s.path(id, "memory"), 5000) },
		"hole":   func(s store, id string) error { return overwrite(s.path(id, "memory"), 1<<20) },
		"short":  func(s store, id string) error { return os.Truncate(s.path(id, "memory"), 1<<20) },
		"state":  func(s store, id string) error { return overwrite(s.path(id, "state"), 0) },
		"gone":   func(s store, id string) error { return os.Remove(s.path(id, "memory")) },
	} {
		t.Run(name, func(t *testing.T) {
			s, r := stored(t)
			if err := damage(s, r.Key.ID()); err != nil {
				t.Fatal(err)
			}
			if loaded, err := s.load(r); err == nil {
				loaded.memory.Close()
				t.Error("it is loaded")
			}
		})
	}
	t.Run("record", func(t *testing.T) {
		s, r := stored(t)
		if err := os.WriteFile(s.path(r.Key.ID(), "template.json"), []byte(`{"key":`), 0o600); err != nil {
			t.Fatal(err)
		}
		records, err := s.list()
		if err != nil || len(records) != 0 {
			t.Error(records, err)
		}
		if _, err := os.Stat(s.path(r.Key.ID())); !os.IsNotExist(err) {
			t.Error("its files are left")
		}
	})
}

func overwrite(path string, at int64) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt([]byte("X"), at)
	return err
}

// hostd is killed while it makes a template: the next one finds nothing of it.
func TestHalfMadeIsDeleted(t *testing.T) {
	state := t.TempDir()
	s, err := openStore(state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.begin(small); err != nil {
		t.Fatal(err)
	}
	if s, err = openStore(state); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(s.dir)
	if err != nil || len(left) != 0 {
		t.Error(left, err)
	}
}

func TestSuperfluous(t *testing.T) {
	class := func(n uint32) Class { return Class{"agent", n, 128 << 20, 1} }
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	var nine []holding
	for i := range 9 {
		nine = append(nine, holding{id: string(rune('a' + i)), class: class(uint32(10 + i)), bytes: 1 << 20, used: at(i)})
	}
	for _, tt := range []struct {
		name  string
		all   []holding
		bytes uint64
		want  string
	}{
		{"none", nil, 1 << 20, ""},
		{"an older kernel's", []holding{{"a", class(1), 1, at(9)}, {"b", class(2), 1, at(1)}}, 1 << 20, "a"},
		{"too many: the least recently used", nine, 1 << 20, "b a"},
		{"too large", []holding{{"a", class(2), 700 << 20, at(1)}, {"b", class(3), 600 << 20, at(2)}, {"c", class(4), 10 << 20, at(3)}}, 100 << 20, "a"},
	} {
		if got := strings.Join(superfluous(slices.Clone(tt.all), class(1), tt.bytes), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRetriesGetRarer(t *testing.T) {
	now := time.Unix(0, 0)
	var f failure
	var waits []time.Duration
	for range 9 {
		f = f.next(now)
		waits = append(waits, f.again.Sub(now))
	}
	if waits[0] != firstRetry || waits[1] != 2*firstRetry || waits[8] != lastRetry {
		t.Error(waits)
	}
}
