package wcp

import "testing"

func TestMessagesAreReadable(t *testing.T) {
	for message, want := range map[string]string{
		"no majority": "no majority",
		`/readyz: an error on the server ("[+]ping ok\n[-]etcd-readiness failed: reason withheld\n[-]informer-sync failed")`: "/readyz waits for etcd-readiness, informer-sync",
		`/readyz: an error on the server ("[+]ping ok\n")`:                                                                   "/readyz waits for its last checks",
	} {
		if got := readable(message); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
