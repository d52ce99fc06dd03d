package rest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"k8s.io/klog/v2"

	"pacific/internal/center/audit"
	"pacific/internal/center/vapi"
)

// Auditor writes changing calls down.
type Auditor interface {
	Write(audit.Event) error
}

// Server is the handler of all routes.
type Server struct {
	mux           *http.ServeMux
	authenticator Authenticator
	audit         Auditor
	now           func() time.Time
}

// NewServer makes a handler of routes. Two routes of the same method, path and action are a mistake of the program.
func NewServer(authenticator Authenticator, log Auditor, routes []Route) *Server {
	s := &Server{mux: http.NewServeMux(), authenticator: authenticator, audit: log, now: time.Now}
	byPattern := map[string]map[string]Route{}
	for _, route := range routes {
		actions := byPattern[route.pattern()]
		if actions == nil {
			actions = map[string]Route{}
			byPattern[route.pattern()] = actions
		}
		if _, twice := actions[route.Action]; twice {
			panic(fmt.Sprintf("two routes for %s?action=%s", route.pattern(), route.Action))
		}
		actions[route.Action] = route
	}
	for pattern, actions := range byPattern {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.choose(w, r, actions) })
	}
	return s
}

// Handle adds a handler that is not a route, such as the SOAP endpoint.
func (s *Server) Handle(pattern string, handler http.Handler) { s.mux.Handle(pattern, handler) }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Strict-Transport-Security", "max-age=31536000")
	header.Set("X-Content-Type-Options", "nosniff")
	if handler, pattern := s.mux.Handler(r); pattern == "" {
		s.notFound(w, r, handler)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// notFound answers in the API's shape; the standard handler knows whether it is the path or the method.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request, standard http.Handler) {
	probe := statusOnly{header: http.Header{}}
	standard.ServeHTTP(&probe, r)
	if allow := probe.header.Get("Allow"); allow != "" {
		w.Header().Set("Allow", allow)
		write(w, r, http.StatusMethodNotAllowed, vapi.Of(vapi.Unsupported("method", "%s has no %s; there is %s", r.URL.Path, r.Method, allow)))
		return
	}
	fail(w, r, vapi.NotFound("path", "there is no %s", r.URL.Path))
}

func (s *Server) choose(w http.ResponseWriter, r *http.Request, actions map[string]Route) {
	route, ok := actions[action(r)]
	if !ok {
		fail(w, r, vapi.InvalidArgument("action", "%s %s has no action %q; there is %s", r.Method, r.URL.Path, action(r), describe(actions)))
		return
	}
	principal, answer, err := s.call(w, r, route)
	code := respond(w, r, answer, err)
	if route.changes() {
		s.note(r, route, principal, code, err)
	}
}

func (s *Server) call(w http.ResponseWriter, r *http.Request, route Route) (principal Principal, answer any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if route.Access != Anyone {
		if principal, err = s.authenticator.Authenticate(r); err != nil {
			return principal, nil, err
		}
		if !route.Access.permits(principal) {
			return principal, nil, vapi.Unauthorized("role", "%s may not do this: it takes the role %s on center", principal, roleName(route.Access))
		}
	}
	request := &Request{Request: r, Principal: principal, writer: w}
	answer, err = route.Handle(request)
	return request.Principal, answer, err
}

func roleName(a Access) string {
	if a == Administrator {
		return "Administrator"
	}
	return "ReadOnly"
}

func respond(w http.ResponseWriter, r *http.Request, answer any, err error) int {
	if err != nil {
		return fail(w, r, err)
	}
	switch answer := answer.(type) {
	case nil:
		w.WriteHeader(http.StatusNoContent)
		return http.StatusNoContent
	case Raw:
		recorder := &statusRecorder{ResponseWriter: w, code: http.StatusOK}
		answer(recorder)
		return recorder.code
	case Status:
		if answer.Body == nil {
			w.WriteHeader(answer.Code)
			return answer.Code
		}
		return write(w, r, answer.Code, answer.Body)
	default:
		return write(w, r, http.StatusOK, answer)
	}
}

func fail(w http.ResponseWriter, r *http.Request, err error) int {
	envelope := vapi.Of(err)
	if envelope.Status() == http.StatusInternalServerError {
		klog.ErrorS(err, "Call failed", "method", r.Method, "path", r.URL.Path)
	}
	if envelope.Status() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="pacific"`)
	}
	return write(w, r, envelope.Status(), envelope)
}

func write(w http.ResponseWriter, r *http.Request, code int, body any) int {
	if strings.HasPrefix(r.URL.Path, "/rest/") {
		body = map[string]any{"value": body}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		klog.V(1).InfoS("Answer was not sent", "path", r.URL.Path, "err", err)
	}
	return code
}

func (s *Server) note(r *http.Request, route Route, principal Principal, code int, err error) {
	source, _, splitErr := net.SplitHostPort(r.RemoteAddr)
	if splitErr != nil {
		source = r.RemoteAddr
	}
	event := audit.Event{Time: s.now().UTC(), User: principal.String(), Source: source, Call: r.Method + " " + r.URL.Path, Action: route.Action, Status: code}
	if err != nil {
		event.Error = vapi.Of(err).Error()
	}
	if err := s.audit.Write(event); err != nil {
		klog.ErrorS(err, "Audit event lost", "call", event.Call, "user", event.User)
	}
}

type statusOnly struct{ header http.Header }

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (s *statusOnly) WriteHeader(int)             {}

type statusRecorder struct {
	http.ResponseWriter
	code int
}

func (s *statusRecorder) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
