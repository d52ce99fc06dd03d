// Package vapi is the shape of the original's REST answers: the error envelope, with its types and status codes, as the vSphere
// Automation API documents it.
package vapi

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is the body of an answer that is not a success.
type Error struct {
	Type     string    `json:"error_type"`
	Messages []Message `json:"messages"`
}

// Message says what is wrong, for programs by its id, for people by its text.
type Message struct {
	ID   string   `json:"id"`
	Text string   `json:"default_message"`
	Args []string `json:"args"`
}

// Types of errors and their HTTP status.
const (
	typeAlreadyExists      = "ALREADY_EXISTS"
	typeInvalidArgument    = "INVALID_ARGUMENT"
	typeNotAllowed         = "NOT_ALLOWED_IN_CURRENT_STATE"
	typeNotFound           = "NOT_FOUND"
	typeUnauthenticated    = "UNAUTHENTICATED"
	typeUnauthorized       = "UNAUTHORIZED"
	typeUnsupported        = "UNSUPPORTED"
	typeServiceUnavailable = "SERVICE_UNAVAILABLE"
	typeError              = "ERROR"
)

var statuses = map[string]int{
	typeAlreadyExists:      http.StatusBadRequest,
	typeInvalidArgument:    http.StatusBadRequest,
	typeNotAllowed:         http.StatusBadRequest,
	typeUnsupported:        http.StatusBadRequest,
	typeUnauthenticated:    http.StatusUnauthorized,
	typeUnauthorized:       http.StatusForbidden,
	typeNotFound:           http.StatusNotFound,
	typeServiceUnavailable: http.StatusServiceUnavailable,
	typeError:              http.StatusInternalServerError,
}

// Error implements error.
func (e *Error) Error() string {
	if len(e.Messages) == 0 {
		return e.Type
	}
	return e.Messages[0].Text
}

// Status is the HTTP status of the answer.
func (e *Error) Status() int { return statuses[e.Type] }

func newError(kind, id, format string, args []any) error {
	message := Message{ID: "pacific." + id, Text: fmt.Sprintf(format, args...), Args: []string{}}
	for _, arg := range args {
		message.Args = append(message.Args, fmt.Sprint(arg))
	}
	return &Error{Type: kind, Messages: []Message{message}}
}

// AlreadyExists is for a name that is taken.
func AlreadyExists(id, format string, args ...any) error {
	return newError(typeAlreadyExists, id, format, args)
}

// InvalidArgument is for a request that can never work.
func InvalidArgument(id, format string, args ...any) error {
	return newError(typeInvalidArgument, id, format, args)
}

// NotAllowedInCurrentState is for a request that may work later.
func NotAllowedInCurrentState(id, format string, args ...any) error {
	return newError(typeNotAllowed, id, format, args)
}

// NotFound is for an object that is not there.
func NotFound(id, format string, args ...any) error { return newError(typeNotFound, id, format, args) }

// Unauthenticated is for somebody who is not signed in.
func Unauthenticated(id, format string, args ...any) error {
	return newError(typeUnauthenticated, id, format, args)
}

// Unauthorized is for somebody who may not do it.
func Unauthorized(id, format string, args ...any) error {
	return newError(typeUnauthorized, id, format, args)
}

// Unsupported is for what this implementation does not do.
func Unsupported(id, format string, args ...any) error {
	return newError(typeUnsupported, id, format, args)
}

// ServiceUnavailable is for a part that does not answer now.
func ServiceUnavailable(id, format string, args ...any) error {
	return newError(typeServiceUnavailable, id, format, args)
}

// Internal is for a fault of the server.
func Internal(id, format string, args ...any) error { return newError(typeError, id, format, args) }

// Of is the envelope of any error: an [Error] in its chain, or a fault of the server without its text, which is for the log.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e, _ := errors.AsType[*Error](Internal("internal", "center could not do it, its log says why; try again"))
	return e
}
