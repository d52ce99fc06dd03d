package hosts

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/center/inventory"
	"pacific/internal/center/store"
)

func TestATokenMakesOneHost(t *testing.T) {
	b := newBench(t)
	token := b.token()
	a := b.agent("host-1")
	response, err := a.join(token, "10.0.0.11")
	if err != nil {
		t.Fatal(err)
	}
	if response.GetId() != "host-1" || response.GetCluster() != inventory.DefaultCluster || len(response.GetCertificates()) != 3 {
		t.Fatalf("got %+v", response)
	}
	names := map[centerv1.Purpose]string{}
	for _, c := range response.GetCertificates() {
		cert := parse(t, c.GetCertificate())
		names[c.GetPurpose()] = cert.Subject.CommonName
		if c.GetPurpose() == centerv1.Purpose_HOSTD && (len(cert.IPAddresses) != 1 || cert.IPAddresses[0].String() != "10.0.0.11") {
			t.Errorf("hostd's addresses: %v", cert.IPAddresses)
		}
	}
	want := map[centerv1.Purpose]string{centerv1.Purpose_AGENT: "host:host-1", centerv1.Purpose_HOSTD: "host-1", centerv1.Purpose_HOSTD_SPHERELET: "spherelet:host-1"}
	if fmt.Sprint(names) != fmt.Sprint(want) {
		t.Errorf("got %v", names)
	}
	// A crash after the answer: the same key joins again, also on another center, also late, and is the same host.
	b.stop()
	b.clock.forward(time.Hour)
	b.start()
	if again, err := a.join(token, "10.0.0.11"); err != nil || again.GetId() != "host-1" {
		t.Errorf("joined again: %v, %v", again, err)
	}
	_, err = a.join(token, "10.0.0.12")
	wantCode(t, err, codes.FailedPrecondition)
	_, err = b.agent("host-2").join(token, "10.0.0.12")
	wantCode(t, err, codes.Unauthenticated)
	if hosts, err := b.hosts.List(t.Context()); err != nil || len(hosts) != 1 {
		t.Errorf("hosts: %v, %v", hosts, err)
	}
}

func TestJoinsThatAreRefused(t *testing.T) {
	b := newBench(t)
	b.joined("taken", "10.0.0.11")
	for _, test := range []struct {
		name, address, token string
		change               func(*agent)
		code                 codes.Code
	}{
		{name: "host-2", address: "10.0.0.12", token: "guessed", code: codes.Unauthenticated},
		{name: "host-2", address: "10.0.0.12", token: "-", code: codes.Unauthenticated},
		{name: "taken", address: "10.0.0.12", code: codes.AlreadyExists},
		{name: "Host_2", address: "10.0.0.12", code: codes.InvalidArgument},
		{name: "", address: "10.0.0.12", code: codes.InvalidArgument},
		{name: "supervisor-1", address: "10.0.0.12", code: codes.InvalidArgument},
		{name: "host-2", address: "nowhere", code: codes.InvalidArgument},
		{name: "host-2", address: "0.0.0.0", code: codes.InvalidArgument},
		{name: "host-2", address: "127.0.0.1", code: codes.InvalidArgument},
		{name: "host-2", address: "10.0.0.12", change: func(a *agent) { a.asks = a.asks[:2] }, code: codes.InvalidArgument},
		{name: "host-2", address: "10.0.0.12", change: func(a *agent) { a.asks[2].Purpose = centerv1.Purpose_NODE }, code: codes.InvalidArgument},
		{name: "host-2", address: "10.0.0.12", change: func(a *agent) { a.asks[0].Request[len(a.asks[0].Request)-1] ^= 1 }, code: codes.InvalidArgument},
	} {
		a := b.agent(test.name)
		if test.change != nil {
			test.change(a)
		}
		token := test.token
		switch token {
		case "":
			token = b.token()
		case "-":
			token = b.token()
			b.clock.forward(11 * time.Minute)
		}
		_, err := a.join(token, test.address)
		if wantCode(t, err, test.code); t.Failed() {
			t.Fatalf("%+v", test)
		}
	}
	if hosts, err := b.hosts.List(t.Context()); err != nil || len(hosts) != 1 {
		t.Errorf("hosts: %v, %v", hosts, err)
	}
}

func TestHostsThatJoinAtOnceGetDifferentIDs(t *testing.T) {
	b := newBench(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	var ids []string
	for n := range 5 {
		a, token := b.agent(fmt.Sprintf("h%d", n)), b.token()
		all.Go(func() {
			response, err := a.join(token, fmt.Sprintf("10.0.0.%d", 11+n))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			ids = append(ids, response.GetId())
		})
	}
	all.Wait()
	slices.Sort(ids)
	if fmt.Sprint(ids) != "[host-1 host-2 host-3 host-4 host-5]" {
		t.Errorf("got %v", ids)
	}
}

func TestTokensAreKeptAsHashesAndSwept(t *testing.T) {
	b := newBench(t)
	token := b.token()
	tokens, err := b.hosts.records.tokens.List(t.Context())
	if err != nil || len(tokens) != 1 || tokens[0].ID == token {
		t.Fatalf("%v, %v", tokens, err)
	}
	b.clock.forward(tokenKept)
	if err := b.hosts.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.hosts.records.tokens.Get(t.Context(), hashOf(token)); err != nil {
		t.Errorf("deleted too early: %v", err)
	}
	b.clock.forward(time.Hour)
	if err := b.hosts.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.hosts.records.tokens.Get(t.Context(), hashOf(token)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("not deleted: %v", err)
	}
}
