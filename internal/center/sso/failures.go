package sso

import (
	"errors"

	"k8s.io/klog/v2"

	"pacific/internal/center/sso/directory"
	"pacific/internal/center/sso/oidc"
	"pacific/internal/center/sso/password"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// answer gives an error of the parts below the API's type and status.
func answer(err error) error {
	if _, ok := errors.AsType[*vapi.Error](err); ok || err == nil {
		return err
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return vapi.NotFound("sso.notfound", "%v", err)
	case errors.Is(err, store.ErrExists):
		return vapi.AlreadyExists("sso.exists", "%v", err)
	case errors.Is(err, directory.ErrInvalid), errors.Is(err, oidc.ErrInvalid):
		return vapi.InvalidArgument("sso.invalid", "%v", err)
	case errors.Is(err, directory.ErrBuiltIn), errors.Is(err, store.ErrConflict):
		return vapi.NotAllowedInCurrentState("sso.state", "%v", err)
	case errors.Is(err, directory.ErrCredentials), errors.Is(err, directory.ErrRefused):
		return vapi.Unauthenticated("sso.credentials", "%v", err)
	default:
		return unavailable(err)
	}
}

// unavailable is for a store that does not answer, or too many logins at once. The reason goes to the log.
func unavailable(err error) error {
	if errors.Is(err, password.ErrBusy) {
		return vapi.ServiceUnavailable("sso.busy", "%v", err)
	}
	klog.ErrorS(err, "Single sign-on cannot answer")
	return vapi.ServiceUnavailable("sso.unavailable", "single sign-on cannot answer now; try again")
}
