package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Beat is a sign of life of a run: one start of a container that holds a key. No two runs may hold a key at once.
type Beat struct {
	Key, Run string
	End      bool // the run's last
	At       time.Time
}

// Overlap is the proof that two runs held a key at once: run spoke, then other, then run again.
type Overlap struct {
	Key, Run, Other string
	At              time.Time
}

func (o Overlap) String() string {
	return fmt.Sprintf("%s: run %s still spoke at %s, after run %s had begun", o.Key, o.Run, o.At.Format(time.TimeOnly), o.Other)
}

// overlaps finds them in beats in the order of their coming. Silence proves nothing, for a killed machine says no goodbye;
// but who speaks after another has begun was alive beside it.
func overlaps(beats []Beat) []Overlap {
	type run struct{ key, name string }
	current, past := map[string]string{}, map[run]bool{}
	var found []Overlap
	for _, b := range beats {
		holder := current[b.Key]
		switch {
		case holder == b.Run:
		case past[run{b.Key, b.Run}]:
			found = append(found, Overlap{Key: b.Key, Run: b.Run, Other: holder, At: b.At})
		default:
			past[run{b.Key, holder}] = true
			current[b.Key] = b.Run
		}
	}
	return found
}

// ended counts the runs of a key that came to their end.
func ended(beats []Beat, key string) int {
	runs := map[string]bool{}
	for _, b := range beats {
		if b.Key == key && b.End {
			runs[b.Run] = true
		}
	}
	return len(runs)
}

// Witness hears beats over HTTP. It runs in the test, so that no kill loses what it heard.
type Witness struct {
	address string
	server  *http.Server

	mu    sync.Mutex
	beats []Beat
}

// newWitness listens on an address that pods reach.
func newWitness(ip string) (*Witness, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	w := &Witness{address: listener.Addr().String()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /beat", w.hear)
	w.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := w.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
	return w, nil
}

func (w *Witness) hear(response http.ResponseWriter, request *http.Request) {
	query := request.URL.Query()
	beat := Beat{Key: query.Get("key"), Run: query.Get("run"), End: query.Has("end"), At: time.Now()}
	if beat.Key == "" || beat.Run == "" {
		http.Error(response, "key and run are missing", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beats = append(w.beats, beat)
}

func (w *Witness) heard() []Beat {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Beat(nil), w.beats...)
}

func (w *Witness) close() { _ = w.server.Shutdown(context.Background()) }

// script of a container that holds a key for a number of beats, 0 for as long as it is let. A beat that was not heard does
// not count, so the witness knows of every second of work.
func (w *Witness) script(key string, beats int) string {
	loop, last := "while :; do", ""
	if beats > 0 {
		loop = fmt.Sprintf("while [ $i -lt %d ]; do", beats)
		last = `; until timeout 5 wget -q -O /dev/null "$url&end"; do sleep 1; done; echo ` + lastWord
	}
	return fmt.Sprintf(`trap "exit 143" TERM
url="http://%s/beat?key=%s&run=$POD_UID/$(cat /proc/sys/kernel/random/uuid)"
n=0; i=0; %s echo $n; n=$((n+1)); timeout 5 wget -q -O /dev/null "$url" && i=$((i+1)); sleep 1; done%s`, w.address, key, loop, last)
}
