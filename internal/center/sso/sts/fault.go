package sts

import (
	"errors"
	"fmt"
)

// Fault codes of WS-Trust 1.3, section 11, in their order there.
const (
	codeInvalidRequest       = "InvalidRequest"
	codeFailedAuthentication = "FailedAuthentication"
	codeRequestFailed        = "RequestFailed"
	codeInvalidSecurityToken = "InvalidSecurityToken"
	codeBadRequest           = "BadRequest"
	codeExpiredData          = "ExpiredData"
	codeInvalidTimeRange     = "InvalidTimeRange"
	codeUnableToRenew        = "UnableToRenew"
)

// fault is what a request is refused with.
type fault struct {
	Code string
	Err  error
}

func (f *fault) Error() string { return f.Err.Error() }
func (f *fault) Unwrap() error { return f.Err }

func refused(code, format string, args ...any) error {
	return &fault{Code: code, Err: fmt.Errorf(format, args...)}
}

// faultOf any error; one that no client can mend has no text for it.
func faultOf(err error) (f *fault, internal bool) {
	if f, ok := errors.AsType[*fault](err); ok {
		return f, false
	}
	if errors.Is(err, ErrAuthentication) {
		return &fault{Code: codeFailedAuthentication, Err: err}, false
	}
	return &fault{Code: codeRequestFailed, Err: errors.New("the security token service cannot answer now; try again")}, true
}
