package hosts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"k8s.io/klog/v2"

	"pacific/internal/center/store"
)

const (
	defaultTokenLife = 10 * time.Minute
	maxTokenLife     = 24 * time.Hour
	// tokenKept is how long after its end a used token lets the same key repeat its join.
	tokenKept = 24 * time.Hour
)

// newToken makes a token; only its hash is kept.
func (h *Hosts) newToken(ctx context.Context, by string, life time.Duration) (text string, expires time.Time, err error) {
	text = rand.Text()
	now := h.now().UTC()
	expires = now.Add(life).Truncate(time.Second)
	return text, expires, h.records.tokens.Create(ctx, hashOf(text), token{Created: now, CreatedBy: by, Expires: expires})
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// sweep deletes what nobody can use any more: tokens, and refused keys whose certificates have ended.
func (h *Hosts) sweep(ctx context.Context) error {
	now := h.now()
	tokens, err := h.records.tokens.List(ctx)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if now.After(t.Value.Expires.Add(tokenKept)) {
			err = errors.Join(err, ignoreNotFound(h.records.tokens.Delete(ctx, t.ID)))
		}
	}
	refused, listErr := h.records.removed.List(ctx)
	for _, r := range refused {
		if now.After(r.Value.At.Add(CertificateLife + 24*time.Hour)) {
			err = errors.Join(err, ignoreNotFound(h.records.removed.Delete(ctx, r.ID)))
		}
	}
	return errors.Join(err, listErr)
}

func ignoreNotFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func (h *Hosts) sweeper(ctx context.Context) {
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	for {
		if err := h.sweep(ctx); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Cannot delete old join tokens; will try again")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
