package exchange

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pacific/internal/center/sso/sts"
)

type signOn struct {
	assertion sts.Assertion
	err       error
}

func (s signOn) VerifyBearer(context.Context, []byte) (sts.Assertion, error) {
	return s.assertion, s.err
}

func TestBySignOn(t *testing.T) {
	ends := start.Add(time.Minute)
	good := signOn{assertion: sts.Assertion{ID: "_1", Subject: "dev1", Domain: "corp.local", Groups: []sts.Group{{Name: "Devs", Domain: "corp.local"}}, NotOnOrAfter: ends}}
	got, err := BySignOn(good).Verify(t.Context(), nil)
	if err != nil || got.ID != "_1" || got.Name != "dev1" || got.Domain != "corp.local" || !slices.Equal(got.Groups, []string{"Devs@corp.local"}) || !got.NotOnOrAfter.Equal(ends) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := BySignOn(signOn{err: fmt.Errorf("%w: expired", sts.ErrAuthentication)}).Verify(t.Context(), nil); !errors.Is(err, ErrRefused) {
		t.Errorf("an expired assertion: %v", err)
	}
	if _, err := BySignOn(signOn{err: errors.New("etcd is away")}).Verify(t.Context(), nil); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("center that cannot tell: %v", err)
	}
}
