// Package rest serves the REST API of the center: it finds the route, asks who calls, decides whether he may, writes changing
// calls to the audit log, and gives answers and errors the original's shape.
package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"pacific/internal/center/vapi"
)

// Principal is who calls.
type Principal struct {
	Name, Domain string
	// Groups with their domains, as name@domain.
	Groups []string
	// Administrator and ReadOnly are the roles on center.
	Administrator, ReadOnly bool
}

// String is user@domain.
func (p Principal) String() string {
	if p.Name == "" {
		return "anonymous"
	}
	return p.Name + "@" + p.Domain
}

// Access is what a route asks of its caller.
type Access int

// Access of routes. The zero value is the strictest.
const (
	Administrator Access = iota // the role Administrator
	Reader                      // the role Administrator or ReadOnly
	SignedIn                    // any session
	Anyone                      // no session; the route sees to it by itself
)

func (a Access) permits(p Principal) bool {
	switch a {
	case Administrator:
		return p.Administrator
	case Reader:
		return p.Administrator || p.ReadOnly
	default:
		return true
	}
}

// Authenticator finds out who calls, by the session's header. Its errors are of package vapi.
type Authenticator interface {
	Authenticate(*http.Request) (Principal, error)
}

// Route is one call of the API.
type Route struct {
	Method string
	// Path in the syntax of net/http's patterns; wildcards are read by PathValue. Answers of routes under /rest/ are wrapped
	// in {"value": …}.
	Path string
	// Action is the value of the query's ?action= (or ?~action=) that chooses among routes of one method and path; "" for none.
	Action string
	Access Access
	// Handle does it. What it returns is the answer's JSON; nil is 204 No Content. A [Raw] answer is sent as it is.
	Handle func(*Request) (any, error)
	// Quiet keeps a changing call out of the audit log that changes nothing, such as a login's check.
	Quiet bool
}

// Raw writes an answer that is not JSON.
type Raw func(http.ResponseWriter)

// Status is an answer with another status than 200.
type Status struct {
	Code int
	Body any
}

// Request is a call.
type Request struct {
	*http.Request
	// Principal is who calls. A route for anyone may set it, for the audit log, when it has found out itself.
	Principal Principal
	writer    http.ResponseWriter
}

// SetHeader of the answer.
func (r *Request) SetHeader(key, value string) { r.writer.Header().Set(key, value) }

// maxBody is far above the largest body of the API.
const maxBody = 1 << 20

// Decode reads the body strictly: one JSON value, no unknown fields. Its errors are InvalidArgument and name the field.
func (r *Request) Decode(into any) error {
	data, err := io.ReadAll(http.MaxBytesReader(r.writer, r.Body, maxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return vapi.InvalidArgument("body.size", "the body has more than %d bytes", maxBody)
		}
		return vapi.InvalidArgument("body", "the body cannot be read: %v", err)
	}
	return DecodeJSON(data, into)
}

// DecodeJSON is Decode of bytes.
func DecodeJSON(data []byte, into any) error {
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, extra := decoder.Token(); extra != io.EOF {
			err = errors.New("there is more than one JSON value")
		}
	}
	if errors.Is(err, io.EOF) {
		return vapi.InvalidArgument("body", "the body is empty; give a JSON object")
	}
	if err != nil {
		return vapi.InvalidArgument("body", "the body is not valid: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func (r Route) pattern() string { return r.Method + " " + r.Path }

// changes tells whether the call belongs into the audit log.
func (r Route) changes() bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && !r.Quiet
}

func action(r *http.Request) string {
	query := r.URL.Query()
	if a := query.Get("action"); a != "" {
		return a
	}
	return query.Get("~action")
}

func describe(routes map[string]Route) string {
	var actions []string
	for a := range routes {
		actions = append(actions, fmt.Sprintf("%q", a))
	}
	return strings.Join(actions, ", ")
}
