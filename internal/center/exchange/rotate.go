package exchange

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/klog/v2"

	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// KeyInfo is a key as administrators see it.
type KeyInfo struct {
	ID      string    `json:"key"`
	Created time.Time `json:"created"`
	// ActiveFrom is when the key begins to sign.
	ActiveFrom time.Time `json:"active_from"`
	// Signs tells whether it is the one that signs now.
	Signs bool `json:"signs"`
}

// rotateSpec is the body of a rotation by hand.
type rotateSpec struct {
	// Revoke drops the keys that signed until now, and with them all tokens that count still.
	Revoke bool `json:"revoke"`
}

func (s *Service) administration() []rest.Route {
	const path = "/api/pacific/token-keys"
	return []rest.Route{
		{Method: http.MethodGet, Path: path, Access: rest.Reader, Handle: func(r *rest.Request) (any, error) { return s.list(r.Context()) }},
		{Method: http.MethodPost, Path: path, Action: "rotate", Handle: s.rotateByHand},
	}
}

func (s *Service) list(ctx context.Context) ([]KeyInfo, error) {
	keys, _, err := s.load(ctx)
	if err != nil {
		return nil, vapi.ServiceUnavailable("token-keys", "the keys cannot be read now: try again")
	}
	signer, _ := keys.signer(s.config.Now())
	infos := []KeyInfo{}
	for _, id := range keys.ordered() {
		infos = append(infos, KeyInfo{ID: id, Created: keys[id].Created, ActiveFrom: keys[id].ActiveFrom, Signs: id == signer})
	}
	return infos, nil
}

func (s *Service) rotateByHand(r *rest.Request) (any, error) {
	var spec rotateSpec
	if err := r.Decode(&spec); err != nil {
		return nil, err
	}
	if err := s.Rotate(r.Context(), spec.Revoke); err != nil {
		klog.ErrorS(err, "Cannot rotate the keys of tokens")
		return nil, vapi.ServiceUnavailable("token-keys", "the keys cannot be changed now: try again")
	}
	return s.list(r.Context())
}

// Rotate makes a key that signs at once. With revoke all others are dropped in the same step: whoever is signed in has to sign in
// again, also who has stolen a key.
func (s *Service) Rotate(ctx context.Context, revoke bool) error {
	_, revisions, err := s.load(ctx)
	if err != nil {
		return err
	}
	now := s.config.Now()
	id, key, err := newKey(now, now)
	if err != nil {
		return fmt.Errorf("make a key for tokens: %w", err)
	}
	changes := []store.Op{s.keys.CreateOp(id, key)}
	if revoke {
		for old, revision := range revisions {
			changes = append(changes, s.keys.DeleteOp(old, revision))
		}
	}
	if err := s.config.Store.Commit(ctx, changes...); errors.Is(err, store.ErrConflict) {
		return s.Rotate(ctx, revoke)
	} else if err != nil {
		return err
	}
	klog.InfoS("Made a key for tokens by hand", "key", id, "revokedOthers", revoke)
	return nil
}
