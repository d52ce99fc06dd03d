package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"pacific/internal/center/store"
	"pacific/internal/center/store/storetest"
)

type color struct{ Name string }

func TestRecords(t *testing.T) {
	ctx := t.Context()
	s := storetest.New(t)
	colors := store.Of[color](s, "colors")
	if _, _, err := colors.Get(ctx, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	check(t, colors.Create(ctx, "a", color{"red"}), nil)
	check(t, colors.Create(ctx, "a", color{"blue"}), store.ErrExists)
	value, revision, err := colors.Get(ctx, "a")
	if err != nil || value.Name != "red" {
		t.Fatalf("got %v, %v", value, err)
	}
	check(t, colors.Put(ctx, "a", color{"green"}, revision), nil)
	check(t, colors.Put(ctx, "a", color{"blue"}, revision), store.ErrConflict)
	check(t, colors.Put(ctx, "b", color{"blue"}, revision), store.ErrConflict)
	items, err := colors.List(ctx)
	if err != nil || len(items) != 1 || items[0].ID != "a" || items[0].Value.Name != "green" {
		t.Fatalf("got %v, %v", items, err)
	}
	check(t, colors.Delete(ctx, "a"), nil)
	check(t, colors.Delete(ctx, "a"), store.ErrNotFound)
	for _, id := range []string{"", "a/b"} {
		if err := colors.Create(ctx, id, color{}); err == nil {
			t.Errorf("id %q was accepted", id)
		}
	}
}

func check(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestSeveralRecordsChangeTogetherOrNotAtAll(t *testing.T) {
	ctx := t.Context()
	s := storetest.New(t)
	colors, names := store.Of[color](s, "colors"), store.Of[string](s, "names")
	check(t, names.Create(ctx, "taken", "x"), nil)
	check(t, s.Commit(ctx, colors.CreateOp("a", color{"red"}), names.CreateOp("taken", "y")), store.ErrExists)
	if _, _, err := colors.Get(ctx, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("half of a transaction was written: %v", err)
	}
	_, revision, err := names.Get(ctx, "taken")
	check(t, err, nil)
	check(t, s.Commit(ctx, colors.CreateOp("a", color{"red"}), names.DeleteOp("taken", revision)), nil)
	check(t, s.Commit(ctx, names.DeleteOp("taken", revision)), store.ErrConflict)
}

func TestUpdatesAreNotLost(t *testing.T) {
	ctx := t.Context()
	counts := store.Of[int](storetest.New(t), "counts")
	check(t, counts.Create(ctx, "n", 0), nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				if _, err := counts.Update(ctx, "n", func(n *int) error { *n++; return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n, _, err := counts.Get(ctx, "n"); err != nil || n != 40 {
		t.Errorf("got %d, %v", n, err)
	}
	refused := errors.New("refused")
	if _, err := counts.Update(ctx, "n", func(n *int) error { *n = 0; return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if n, _, _ := counts.Get(ctx, "n"); n != 40 {
		t.Errorf("a refused change was written: %d", n)
	}
}

func TestWatchTellsNowAndAfterChanges(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	colors := store.Of[color](storetest.New(t), "colors")
	signals := colors.Watch(ctx)
	<-signals
	check(t, colors.Create(ctx, "a", color{"red"}), nil)
	if _, ok := <-signals; !ok {
		t.Fatal("no signal after a change")
	}
	cancel()
	for range signals { // is closed
	}
}

func TestRecordsThatEndByThemselves(t *testing.T) {
	ctx := t.Context()
	colors := store.Of[color](storetest.New(t), "colors")
	check(t, colors.CreateFor(ctx, "a", color{"red"}, 5*time.Second), nil)
	check(t, colors.CreateFor(ctx, "a", color{"red"}, 5*time.Second), store.ErrExists)
	for range colors.Watch(ctx) {
		if _, _, err := colors.Get(ctx, "a"); errors.Is(err, store.ErrNotFound) {
			return
		}
	}
}
