package login

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/renameio/v2"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

const (
	// keysInterval is far below the day for which center announces a key; it is how long a withdrawn key may go on to count.
	keysInterval = time.Minute
	// keysPatience bounds how often a question of the kube-apiserver, which comes of any token with an unknown key, becomes
	// one to center, and how long it may take.
	keysPatience = 5 * time.Second
	maxKeys      = 64 << 10
)

// keys is the Supervisor's copy of the keys by which tokens are verified. It is on disk, so tokens are verified while center is
// away, also after a restart.
type keys struct {
	file   string
	fetch  func(context.Context) ([]byte, error)
	mu     sync.Mutex
	asked  time.Time
	failed bool
}

// run asks center again and again.
func (k *keys) run(ctx context.Context) {
	wait.UntilWithContext(ctx, func(ctx context.Context) { k.refresh(ctx) }, keysInterval)
}

// refresh brings the copy up to date if center answers, and if it was not asked just now.
func (k *keys) refresh(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.asked) < keysPatience {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, keysPatience)
	defer cancel()
	err := k.update(ctx)
	k.asked = time.Now()
	if err != nil && !k.failed {
		klog.InfoS("Cannot ask center for its keys; tokens are verified by those that are known, and it will be asked again", "err", err)
	}
	k.failed = err != nil
}

func (k *keys) update(ctx context.Context) error {
	data, err := k.fetch(ctx)
	if err != nil {
		return err
	}
	set, err := parseKeys(data)
	if err != nil {
		return fmt.Errorf("keys of center: %w", err)
	}
	data, err = json.Marshal(set)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(k.file); err == nil && string(have) == string(data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(k.file), 0o700); err != nil {
		return err
	}
	if err := renameio.WriteFile(k.file, data, 0o600, renameio.IgnoreUmask()); err != nil {
		return err
	}
	klog.InfoS("Have the keys of center's tokens", "keys", len(set.Keys))
	return nil
}

// known is the copy as JSON; without one an empty set.
func (k *keys) known() ([]byte, error) {
	data, err := os.ReadFile(k.file)
	if errors.Is(err, fs.ErrNotExist) {
		return []byte(`{"keys":[]}`), nil
	}
	return data, err
}

// parseKeys takes public keys of ECDSA for signatures and nothing else: whatever center's answer may hold, no secret is kept, and
// no key with which a token could be forged is handed on.
func parseKeys(data []byte) (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(data, &set); err != nil {
		return set, err
	}
	if len(set.Keys) == 0 {
		return set, errors.New("there are none yet")
	}
	for _, key := range set.Keys {
		if _, ok := key.Key.(*ecdsa.PublicKey); !ok || key.KeyID == "" || key.Algorithm != string(jose.ES256) {
			return set, fmt.Errorf("key %q is no public key for ES256", key.KeyID)
		}
	}
	return set, nil
}

// fetchKeys asks the issuer.
func fetchKeys(client *http.Client, issuer string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/jwks", nil)
		if err != nil {
			return nil, err
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("GET %s/jwks: %s", issuer, response.Status)
		}
		return io.ReadAll(io.LimitReader(response.Body, maxKeys))
	}
}
