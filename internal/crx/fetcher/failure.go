package fetcher

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sys/unix"

	fetcherv1 "pacific/api/fetcher/v1"
	"pacific/internal/ociclient"
)

// Error is a reason why an image cannot be had, classed where it was found.
type Error struct {
	Kind fetcherv1.Failure_Kind
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func fail(kind fetcherv1.Failure_Kind, format string, args ...any) error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// Classify gives the failure to report for an error of Pull. An Error keeps its class; a registry's answer is classed by
// its status, a broken connection is UNREACHABLE, what is left is the image's fault.
func Classify(err error) *fetcherv1.Failure {
	return &fetcherv1.Failure{Kind: kindOf(err), Message: err.Error()}
}

func kindOf(err error) fetcherv1.Failure_Kind {
	var classed *Error
	var answer *transport.Error
	var digest *ociclient.DigestError
	var network net.Error
	switch {
	case errors.Is(err, unix.ENOSPC):
		return fetcherv1.Failure_NO_SPACE
	case errors.As(err, &classed):
		return classed.Kind
	case errors.As(err, &digest):
		return fetcherv1.Failure_DIGEST_MISMATCH
	case errors.As(err, &answer):
		return kindOfStatus(answer.StatusCode)
	case errors.As(err, &network), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fetcherv1.Failure_UNREACHABLE
	}
	return fetcherv1.Failure_INVALID
}

func kindOfStatus(code int) fetcherv1.Failure_Kind {
	switch {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fetcherv1.Failure_UNAUTHORIZED
	case code == http.StatusNotFound:
		return fetcherv1.Failure_NOT_FOUND
	case ociclient.Transient(code):
		return fetcherv1.Failure_UNREACHABLE
	}
	return fetcherv1.Failure_INVALID
}
