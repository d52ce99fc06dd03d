// Package client calls center's REST API, for the pacific command and for tests.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"pacific/internal/center/vapi"
)

// sessionHeader carries the session's id on each call.
const sessionHeader = "vmware-api-session-id"

// callTimeout is for one call; those that take long answer at once and are watched by others.
const callTimeout = time.Minute

// Config says where center is and who calls.
type Config struct {
	URL                string // https://10.77.0.9
	Username, Password string
	// CA is the PEM certificate that center's is verified by; nil: the machine's authorities.
	CA []byte
}

// Client of center. It signs in at the first call and again when its session has ended.
type Client struct {
	config Config
	http   *http.Client

	mu      sync.Mutex
	session string
}

// Error is an answer of center that is no success. Its text says what to do.
type Error struct {
	Status int
	Call   string
	// Envelope is nil when the answer was not one of center's.
	Envelope *vapi.Error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Envelope == nil || len(e.Envelope.Messages) == 0 {
		return fmt.Sprintf("%s: center answered %d %s", e.Call, e.Status, http.StatusText(e.Status))
	}
	return e.Envelope.Messages[0].Text
}

// IsNotFound tells whether what was asked for is not there.
func IsNotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusNotFound
}

// New checks the configuration; it calls nobody yet.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is not center's URL: it must be like https://center.example.com", c.URL)
	}
	c.URL = "https://" + u.Host
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.CA) {
			return nil, errors.New("the certificate authority's file holds no certificate in PEM")
		}
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	return &Client{config: c, http: &http.Client{Transport: transport, Timeout: callTimeout}}, nil
}

// Do calls method path, which may have a query, such as POST /api/pacific/sso/users/dev1?action=unlock. body is sent as JSON
// unless nil; the answer is decoded into into unless nil.
func (c *Client) Do(ctx context.Context, method, path string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	session, err := c.signIn(ctx, "")
	if err != nil {
		return err
	}
	err = c.call(ctx, method, path, data, into, func(r *http.Request) { r.Header.Set(sessionHeader, session) })
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != http.StatusUnauthorized {
		return err
	}
	if session, err = c.signIn(ctx, session); err != nil {
		return err
	}
	return c.call(ctx, method, path, data, into, func(r *http.Request) { r.Header.Set(sessionHeader, session) })
}

// signIn unless there is a session other than the one that has ended.
func (c *Client) signIn(ctx context.Context, endedSession string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != "" && c.session != endedSession {
		return c.session, nil
	}
	err := c.call(ctx, http.MethodPost, "/api/session", nil, &c.session, func(r *http.Request) {
		r.SetBasicAuth(c.config.Username, c.config.Password)
	})
	if err != nil {
		c.session = ""
		return "", fmt.Errorf("sign in to %s as %s: %w", c.config.URL, c.config.Username, err)
	}
	return c.session, nil
}

// WithPassword makes one call that proves who calls by name and password and not by a session.
func (c *Client) WithPassword(ctx context.Context, method, path string, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.call(ctx, method, path, data, into, func(r *http.Request) { r.SetBasicAuth(c.config.Username, c.config.Password) })
}

// Close signs out.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.http.CloseIdleConnections()
	if c.session == "" {
		return nil
	}
	session := c.session
	c.session = ""
	return c.call(ctx, http.MethodDelete, "/api/session", nil, nil, func(r *http.Request) { r.Header.Set(sessionHeader, session) })
}

func (c *Client) call(ctx context.Context, method, path string, data []byte, into any, prove func(*http.Request)) error {
	var body io.Reader
	if data != nil {
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.config.URL+path, body)
	if err != nil {
		return err
	}
	if data != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", "application/json")
	prove(r)
	response, err := c.http.Do(r)
	if err != nil {
		return c.explain(err)
	}
	defer response.Body.Close()
	return decode(method+" "+path, response, into)
}

// explain what a connection failed for, with the next step.
func (c *Client) explain(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w: give center's own certificate authority (its file pki/ca.crt) by --center-ca or PACIFIC_CENTER_CA", err)
	}
	return fmt.Errorf("center does not answer: %w", err)
}

// maxAnswer is far above any of center's answers.
const maxAnswer = 64 << 20

func decode(call string, response *http.Response, into any) error {
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s: read the answer: %w", call, err)
	}
	if response.StatusCode/100 != 2 {
		failure := &Error{Status: response.StatusCode, Call: call}
		if envelope := new(vapi.Error); json.Unmarshal(data, envelope) == nil && envelope.Type != "" {
			failure.Envelope = envelope
		}
		return failure
	}
	if into == nil || len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: the answer is not as expected: %w", call, err)
	}
	return nil
}
