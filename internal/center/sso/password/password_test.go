package password

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// cheap parameters, so that tests take no time.
var cheap = Parameters{MemoryKiB: 64, Passes: 1, Lanes: 1}

func TestVerify(t *testing.T) {
	ctx := t.Context()
	h := NewHasher(cheap)
	hash, err := h.Hash(ctx, "Correct-Horse-1")
	if err != nil {
		t.Fatal(err)
	}
	if other, _ := h.Hash(ctx, "Correct-Horse-1"); other == hash {
		t.Error("two hashes of one password are the same: there is no salt")
	}
	for password, want := range map[string]bool{"Correct-Horse-1": true, "correct-horse-1": false, "": false, "Correct-Horse-1 ": false} {
		if ok, stale, err := h.Verify(ctx, hash, password); ok != want || stale || err != nil {
			t.Errorf("%q: %v, stale %v, %v", password, ok, stale, err)
		}
	}
}

func TestAHashOfOtherParametersIsStaleButGood(t *testing.T) {
	ctx := t.Context()
	hash, err := NewHasher(cheap).Hash(ctx, "Correct-Horse-1")
	if err != nil {
		t.Fatal(err)
	}
	raised := cheap
	raised.Passes++
	if ok, stale, err := NewHasher(raised).Verify(ctx, hash, "Correct-Horse-1"); !ok || !stale || err != nil {
		t.Errorf("ok %v, stale %v, %v", ok, stale, err)
	}
}

func TestDamagedHashesAreRefused(t *testing.T) {
	good := encode(cheap, make([]byte, 16), make([]byte, 32))
	for _, hash := range []string{
		"", "x", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=64", "m=4294967295", 1), strings.Replace(good, "t=1", "t=0", 1),
		strings.Replace(good, "p=1", "p=0", 1), good[:len(good)-30], good + "$",
	} {
		if ok, _, err := NewHasher(cheap).Verify(t.Context(), hash, "x"); ok || err == nil {
			t.Errorf("%q was taken", hash)
		}
	}
}

func TestChecksAreBounded(t *testing.T) {
	h := NewHasher(cheap)
	h.running, h.waiting = make(chan struct{}, 1), make(chan struct{}, 1)
	h.running <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Waste(ctx, "x") }()
	for len(h.waiting) == 0 { // until the one above waits
		time.Sleep(time.Millisecond)
	}
	if err := h.Waste(t.Context(), "x"); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the waiting one: %v", err)
	}
}

func TestPolicy(t *testing.T) {
	for password, fault := range map[string]string{
		"Correct-Horse-1":              "",
		"Ab1-":                         "at least 8 characters",
		"correct-horse-1":              "upper case",
		"CORRECT-HORSE-1":              "lower case",
		"Correct-Horse-x":              "digits",
		"CorrectHorse1":                "special",
		"Correcttttt-1":                "in a row",
		"Dev1-user-is-X":               "user's name",
		"Correct-\x00Horse-1":          "control characters",
		strings.Repeat("aB1-", 33):     "at most 128",
		"Ünïcödé-Pässwörd-1":           "",
		"\xff\xfeBroken-1aB":           "UTF-8",
		"12345678-":                    "letters",
		"Correct-Horse-1\nCorrect-Ho2": "control characters",
	} {
		err := DefaultPolicy.Check("dev1-user", password)
		if fault == "" && err != nil || fault != "" && (err == nil || !strings.Contains(err.Error(), fault)) {
			t.Errorf("%q: %v; want %q", password, err, fault)
		}
		if err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("%q stands in the error", password)
		}
	}
}

func TestPoliciesOfNoSenseAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Policy){
		"too short":           func(p *Policy) { p.MinLength = 1 },
		"more than fits":      func(p *Policy) { p.MinNumeric, p.MaxLength = 20, 12 },
		"never unlocks":       func(p *Policy) { p.LockSeconds = -1 },
		"endless history":     func(p *Policy) { p.History = 1000 },
		"window of no length": func(p *Policy) { p.FailureWindowSeconds = 0 },
	} {
		p := DefaultPolicy
		change(&p)
		if p.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := DefaultPolicy.Validate(); err != nil {
		t.Error(err)
	}
}

func TestGeneratedPasswordsMeetThePolicy(t *testing.T) {
	strict := DefaultPolicy
	strict.MinSpecial, strict.MinNumeric = 4, 4
	for _, p := range []Policy{DefaultPolicy, strict} {
		seen := map[string]bool{}
		for range 20 {
			password, err := Generate(p)
			if err != nil || p.Check("administrator", password) != nil || seen[password] {
				t.Fatalf("%q, %v", password, err)
			}
			seen[password] = true
		}
	}
}

func TestLock(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if until := DefaultPolicy.LockedUntil(4, at); !until.IsZero() {
		t.Error("locked after 4")
	}
	if until := DefaultPolicy.LockedUntil(5, at); until.Sub(at) != 5*time.Minute {
		t.Errorf("locked until %v", until)
	}
}
