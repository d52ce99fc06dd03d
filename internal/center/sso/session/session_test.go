package session

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pacific/internal/center/sso/directory"
	"pacific/internal/center/store"
	"pacific/internal/center/store/storetest"
)

var dev = directory.Subject{Type: directory.UserType, Name: "dev1", Domain: "pacific.local"}

type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func TestALife(t *testing.T) {
	ctx := t.Context()
	records := storetest.New(t)
	at := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	sessions := New(records, at.now)
	start := func() string {
		id, err := sessions.Start(ctx, Session{User: dev, UID: "u", NotAfter: time.Time{}})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	used, idle := start(), start()
	for range 3 {
		at.Time = at.Add(20 * time.Minute)
		if _, err := New(records, at.now).Get(ctx, used); err != nil { // as after a restart
			t.Fatalf("a session in use ended: %v", err)
		}
	}
	if _, err := sessions.Get(ctx, idle); !errors.Is(err, ErrNone) {
		t.Errorf("an idle session: %v", err)
	}
	for range 24 * 4 {
		at.Time = at.Add(15 * time.Minute)
		_, _ = sessions.Get(ctx, used)
	}
	if _, err := sessions.Get(ctx, used); !errors.Is(err, ErrNone) {
		t.Errorf("a session older than a day: %v", err)
	}
	bounded, err := sessions.Start(ctx, Session{User: dev, NotAfter: at.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	at.Time = at.Add(2 * time.Minute)
	if err := sessions.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if items, _ := sessions.records.List(ctx); len(items) != 0 {
		t.Errorf("left after the sweep: %v", items)
	}
	if _, err := sessions.Get(ctx, bounded); !errors.Is(err, ErrNone) {
		t.Errorf("a session past its own end: %v", err)
	}
}

func TestTheIDIsNotInTheStore(t *testing.T) {
	ctx := t.Context()
	records := storetest.New(t)
	sessions := New(records, nil)
	id, err := sessions.Start(ctx, Session{User: dev})
	if err != nil {
		t.Fatal(err)
	}
	items, err := store.Of[Session](records, "sso-sessions").List(ctx)
	if err != nil || len(items) != 1 || strings.Contains(items[0].ID, id) {
		t.Fatalf("%v, %v", items, err)
	}
	if err := sessions.End(ctx, id); err != nil {
		t.Fatal(err)
	}
	if _, err := sessions.Get(ctx, id); !errors.Is(err, ErrNone) {
		t.Errorf("after its end: %v", err)
	}
}
