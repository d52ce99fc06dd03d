package exchange

import (
	"context"
	"errors"
	"fmt"

	"pacific/internal/center/sso/sts"
)

// SignOn is single sign-on, which has issued the assertions.
type SignOn interface {
	// VerifyBearer tells what an assertion says that whoever shows it may use, with the groups of now. Its errors wrap
	// [sts.ErrAuthentication] when the assertion is refused.
	VerifyBearer(ctx context.Context, assertion []byte) (sts.Assertion, error)
}

// BySignOn is a [Verifier] of center's own assertions.
func BySignOn(signOn SignOn) Verifier { return bySignOn{signOn} }

type bySignOn struct{ SignOn }

func (v bySignOn) Verify(ctx context.Context, assertion []byte) (Subject, error) {
	a, err := v.VerifyBearer(ctx, assertion)
	if errors.Is(err, sts.ErrAuthentication) {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err != nil {
		return Subject{}, err
	}
	subject := Subject{ID: a.ID, Name: a.Subject, Domain: a.Domain, NotOnOrAfter: a.NotOnOrAfter}
	for _, group := range a.Groups {
		subject.Groups = append(subject.Groups, group.String())
	}
	return subject, nil
}
