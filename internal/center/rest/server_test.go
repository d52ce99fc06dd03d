package rest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pacific/internal/center/audit"
	"pacific/internal/center/vapi"
)

// byHeader lets callers say who they are.
type byHeader struct{}

func (byHeader) Authenticate(r *http.Request) (Principal, error) {
	switch name := r.Header.Get("I-Am"); name {
	case "":
		return Principal{}, vapi.Unauthenticated("session", "sign in first")
	default:
		return Principal{Name: name, Domain: "test", Administrator: name == "admin", ReadOnly: name == "reader"}, nil
	}
}

type events []audit.Event

func (e *events) Write(event audit.Event) error {
	*e = append(*e, event)
	return nil
}

type body struct {
	Name string `json:"name"`
}

func server(log *events) *Server {
	ok := func(*Request) (any, error) { return body{"x"}, nil }
	return NewServer(byHeader{}, log, []Route{
		{Method: "GET", Path: "/api/things", Access: Reader, Handle: ok},
		{Method: "GET", Path: "/rest/things", Access: Anyone, Handle: ok},
		{Method: "GET", Path: "/api/broken", Access: Anyone, Handle: func(*Request) (any, error) { return nil, errors.New("password=secret") }},
		{Method: "GET", Path: "/api/panic", Access: Anyone, Handle: func(*Request) (any, error) { panic("x") }},
		{Method: "POST", Path: "/api/things/{id}", Action: "enable", Handle: func(r *Request) (any, error) {
			var b body
			if err := r.Decode(&b); err != nil {
				return nil, err
			}
			if b.Name == "taken" {
				return nil, vapi.AlreadyExists("thing", "thing %s exists", r.PathValue("id"))
			}
			return nil, nil
		}},
	})
}

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		who, method, path, body string
		code                    int
		want                    string
	}{
		{"", "GET", "/api/things", "", 401, "UNAUTHENTICATED"},
		{"somebody", "GET", "/api/things", "", 403, "UNAUTHORIZED"},
		{"reader", "GET", "/api/things", "", 200, `{"name":"x"}`},
		{"", "GET", "/rest/things", "", 200, `{"value":{"name":"x"}}`},
		{"", "GET", "/api/nothing", "", 404, "NOT_FOUND"},
		{"", "DELETE", "/api/things", "", 405, "UNSUPPORTED"},
		{"", "GET", "/api/broken", "", 500, `"error_type":"ERROR"`},
		{"", "GET", "/api/panic", "", 500, `"error_type":"ERROR"`},
		{"reader", "POST", "/api/things/1?action=enable", `{}`, 403, "takes the role Administrator"},
		{"admin", "POST", "/api/things/1?action=enable", `{"name":"a"}`, 204, ""},
		{"admin", "POST", "/api/things/1?~action=enable", `{"name":"a"}`, 204, ""},
		{"admin", "POST", "/api/things/1?action=enable", `{"name":"taken"}`, 400, "ALREADY_EXISTS"},
		{"admin", "POST", "/api/things/1?action=enable", `{"nam":"a"}`, 400, `unknown field \"nam\"`},
		{"admin", "POST", "/api/things/1?action=enable", `{"name":1}`, 400, "INVALID_ARGUMENT"},
		{"admin", "POST", "/api/things/1?action=enable", `{} {}`, 400, "more than one"},
		{"admin", "POST", "/api/things/1?action=enable", ``, 400, "empty"},
		{"admin", "POST", "/api/things/1?action=enable", `{"name":"` + strings.Repeat("a", maxBody) + `"}`, 400, "bytes"},
		{"admin", "POST", "/api/things/1?action=disable", `{}`, 400, "has no action"},
	} {
		request := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
		request.Header.Set("I-Am", test.who)
		recorder := httptest.NewRecorder()
		server(&events{}).ServeHTTP(recorder, request)
		got, _ := io.ReadAll(recorder.Body)
		if recorder.Code != test.code || !strings.Contains(string(got), test.want) {
			t.Errorf("%s %s %s: got %d %s, want %d %s", test.who, test.method, test.path, recorder.Code, got, test.code, test.want)
		}
		if strings.Contains(string(got), "secret") {
			t.Errorf("%s shows an internal text: %s", test.path, got)
		}
	}
}

func TestChangingCallsAreAudited(t *testing.T) {
	var log events
	s := server(&log)
	for _, request := range []*http.Request{
		httptest.NewRequest("GET", "/api/things", nil),
		httptest.NewRequest("POST", "/api/things/7?action=enable", strings.NewReader(`{"name":"taken"}`)),
		httptest.NewRequest("POST", "/api/things/7?action=enable", strings.NewReader(`{}`)),
	} {
		request.Header.Set("I-Am", "admin")
		s.ServeHTTP(httptest.NewRecorder(), request)
	}
	if len(log) != 2 {
		t.Fatalf("got %+v", log)
	}
	first := log[0]
	if first.User != "admin@test" || first.Call != "POST /api/things/7" || first.Action != "enable" || first.Status != 400 || first.Error != "thing 7 exists" || first.Source == "" {
		t.Errorf("got %+v", first)
	}
	if log[1].Status != 204 || log[1].Error != "" {
		t.Errorf("got %+v", log[1])
	}
}
