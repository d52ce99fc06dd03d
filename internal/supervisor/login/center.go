package login

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ErrRefused is returned for a user and password that center does not take.
var ErrRefused = errors.New("center refuses this user and password")

const (
	sessionHeader = "vmware-api-session-id"
	maxAnswer     = 4 << 20
)

// Workload is a namespace that somebody may use, and the address of its Supervisor.
type Workload struct {
	Namespace  string `json:"namespace"`
	MasterHost string `json:"master_host"`
}

// centerClient asks center as the user who signs in; it has no rights of its own.
type centerClient struct {
	client   *http.Client
	origin   string // https://host
	audience string
}

// Token signs in: password to assertion to token.
func (c *centerClient) Token(ctx context.Context, user, password string) (string, error) {
	assertion, err := c.assertion(ctx, user, password)
	if err != nil {
		return "", err
	}
	form := url.Values{
		"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":        {base64.RawURLEncoding.EncodeToString(assertion)},
		"subject_token_type":   {"urn:ietf:params:oauth:token-type:saml2"},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		"audience":             {c.audience},
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	status, body, err := c.do(ctx, http.MethodPost, "/token-exchange", header, []byte(form.Encode()))
	if err != nil {
		return "", err
	}
	var answer struct {
		Token       string `json:"access_token"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || answer.Token == "" {
		return "", fmt.Errorf("token exchange: status %d, %s: %s", status, answer.Error, answer.Description)
	}
	return answer.Token, nil
}

func (c *centerClient) assertion(ctx context.Context, user, password string) ([]byte, error) {
	header := http.Header{"Content-Type": {"text/xml; charset=utf-8"}, "SOAPAction": {`"` + issueAction + `"`}}
	status, body, err := c.do(ctx, http.MethodPost, "/sts/STSService", header, issueRequest(user, password, time.Now()))
	if err != nil {
		return nil, err
	}
	if status == http.StatusUnauthorized {
		return nil, ErrRefused
	}
	assertion, err := readAssertion(body)
	if refusal, ok := errors.AsType[*fault](err); ok && refusal.refusedLogin() {
		return nil, ErrRefused
	}
	if err != nil {
		return nil, fmt.Errorf("status %d: %w", status, err)
	}
	return assertion, nil
}

// Workloads of a user, by a session that ends with the question.
func (c *centerClient) Workloads(ctx context.Context, user, password string) ([]Workload, error) {
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	status, body, err := c.do(ctx, http.MethodPost, "/api/session", http.Header{"Authorization": {"Basic " + basic}}, nil)
	if err != nil {
		return nil, err
	}
	var session string
	switch {
	case status == http.StatusUnauthorized:
		return nil, ErrRefused
	case status != http.StatusOK && status != http.StatusCreated, json.Unmarshal(body, &session) != nil:
		return nil, fmt.Errorf("POST /api/session: status %d", status)
	}
	header := http.Header{sessionHeader: {session}}
	defer func() { _, _, _ = c.do(context.WithoutCancel(ctx), http.MethodDelete, "/api/session", header, nil) }() // it would end by itself
	status, body, err = c.do(ctx, http.MethodGet, "/api/vcenter/namespaces-user/namespaces", header, nil)
	if err != nil {
		return nil, err
	}
	var workloads []Workload
	if status != http.StatusOK {
		return nil, fmt.Errorf("GET /api/vcenter/namespaces-user/namespaces: status %d", status)
	}
	if err := json.Unmarshal(body, &workloads); err != nil {
		return nil, fmt.Errorf("GET /api/vcenter/namespaces-user/namespaces: %w", err)
	}
	return workloads, nil
}

func (c *centerClient) do(ctx context.Context, method, path string, header http.Header, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.origin+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header = header.Clone()
	response, err := c.client.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("center does not answer: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, data, err
}

// originOf is the scheme and host of the issuer's URL, where the rest of center's API is too.
func originOf(issuer string) (string, error) {
	parsed, err := url.Parse(issuer)
	if err != nil || parsed.Scheme != "https" || parsed.Host == "" || strings.HasSuffix(issuer, "/") || parsed.RawQuery != "" || parsed.Fragment != "" {
		return "", fmt.Errorf("--token-issuer %q: give the https URL that stands in center's tokens, such as https://10.77.0.9/openidconnect", issuer)
	}
	return (&url.URL{Scheme: parsed.Scheme, Host: parsed.Host}).String(), nil
}
