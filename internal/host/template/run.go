package template

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Limits of what templates take, of the host's memory and again of its disk. The least recently used goes.
const (
	maxTemplates = 8
	maxBytes     = 1 << 30
)

// Waits after a failed build.
const (
	firstRetry = time.Minute
	lastRetry  = time.Hour
)

// Run takes up what is on disk, makes what is wanted, one after another, and returns when ctx is done.
func (t *Templates) Run(ctx context.Context) {
	t.takeUp(ctx)
	t.mu.Lock()
	for _, class := range t.Defaults {
		t.want(class)
	}
	t.mu.Unlock()
	for {
		class, ok := t.next()
		if ok {
			t.make(ctx, class)
			continue
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// takeUp loads the templates that are of use still. Of the others the classes are wanted.
func (t *Templates) takeUp(ctx context.Context) {
	records, err := t.store.list()
	if err != nil {
		slog.Error("templates on disk cannot be read", "err", err)
		return
	}
	for _, r := range records {
		if ctx.Err() != nil {
			return
		}
		t.takeUpOne(ctx, r)
	}
}

func (t *Templates) takeUpOne(ctx context.Context, r record) {
	id := r.Key.ID()
	now, err := t.key(ctx, r.Key.Class)
	if err == nil && now == r.Key {
		var loaded *Template
		if loaded, err = t.store.load(r); err == nil {
			t.mu.Lock()
			loaded.used = time.Now()
			t.ready[id] = loaded
			t.mu.Unlock()
			slog.Info("template is loaded", "template", id, "class", r.Key.Class.String())
			t.tell()
			return
		}
	}
	slog.Info("template is of no use any more", "template", id, "class", r.Key.Class.String(), "err", err)
	if err := t.store.delete(id); err != nil {
		slog.Error("template is not deleted", "template", id, "err", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.want(r.Key.Class)
}

func (t *Templates) next() (Class, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		return Class{}, false
	}
	class := t.queue[0]
	t.queue = t.queue[1:]
	return class, true
}

// make makes the template of a class unless there is one.
func (t *Templates) make(ctx context.Context, class Class) {
	if ctx.Err() != nil {
		return
	}
	key, err := t.key(ctx, class)
	if err != nil {
		slog.Warn("template cannot be made", "class", class.String(), "err", err)
		return
	}
	id := key.ID()
	if !t.due(id) {
		return
	}
	begun := time.Now()
	made, err := t.build(ctx, key)
	if ctx.Err() != nil && err != nil {
		return
	}
	if err != nil {
		t.fail(id, class, err)
		return
	}
	defer t.tell()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.failed, id)
	made.used = time.Now()
	t.ready[id] = made
	slog.Info("template is made", "template", id, "class", class.String(), "took", time.Since(begun).Round(time.Millisecond), "bytes", allocated(made.memory))
	t.retire(made)
}

func (t *Templates) fail(id string, class Class, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.failed[id].next(time.Now())
	t.failed[id] = f
	slog.Warn("template cannot be made; machines of this class boot", "class", class.String(), "again", time.Until(f.again).Round(time.Second), "err", err)
}

func (f failure) next(now time.Time) failure {
	wait := min(firstRetry<<min(f.times, 10), lastRetry)
	return failure{times: f.times + 1, again: now.Add(wait)}
}

func (t *Templates) due(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, have := t.ready[id]
	return !have && time.Now().After(t.failed[id].again)
}

// retire drops what the new template replaces, and what is too much. It needs mu.
func (t *Templates) retire(made *Template) {
	var all []holding
	for id, have := range t.ready {
		if have != made {
			all = append(all, holding{id: id, class: have.Key.Class, bytes: allocated(have.memory), used: have.used})
		}
	}
	for _, id := range superfluous(all, made.Key.Class, allocated(made.memory)) {
		slog.Info("template is dropped", "template", id, "class", t.ready[id].Key.Class.String())
		t.drop(t.ready[id])
	}
}

// holding is a template and what it takes.
type holding struct {
	id    string
	class Class
	bytes uint64
	used  time.Time
}

// superfluous are the templates to drop beside a new one of this class and size: those of the class, which are of an older kernel
// or personality, then the least recently used while there are too many or they are too large.
func superfluous(all []holding, class Class, bytes uint64) []string {
	slices.SortFunc(all, func(a, b holding) int { return b.used.Compare(a.used) })
	var drop []string
	count := 1
	for _, h := range all {
		if h.class == class || count == maxTemplates || bytes+h.bytes > maxBytes {
			drop = append(drop, h.id)
			continue
		}
		count, bytes = count+1, bytes+h.bytes
	}
	return drop
}
