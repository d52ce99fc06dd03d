package chaos

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Timeline of what was done to the instance.
type Timeline struct {
	began time.Time
	log   func(string)

	mu      sync.Mutex
	entries []string
	counts  map[string]int
}

func newTimeline(log func(string)) *Timeline {
	return &Timeline{began: time.Now(), log: log, counts: map[string]int{}}
}

// note adds an entry; kind is what is counted.
func (t *Timeline) note(kind, format string, args ...any) {
	entry := fmt.Sprintf("%7.1fs  %-22s %s", time.Since(t.began).Seconds(), kind, fmt.Sprintf(format, args...))
	t.mu.Lock()
	t.entries = append(t.entries, entry)
	t.counts[kind]++
	t.mu.Unlock()
	t.log(entry)
}

// Count of entries of a kind.
func (t *Timeline) Count(kind string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[kind]
}

func (t *Timeline) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.entries, "\n")
}
