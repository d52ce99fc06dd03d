package kubectlvsphere

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	requestTimeout = time.Minute // a password takes the server some tenths of a second
	maxAnswer      = 4 << 20
)

// errRefused is a wrong user or password.
var errRefused = errors.New("login failed: invalid credentials")

// supervisor is the login service of a Supervisor.
type supervisor struct {
	client         *http.Client
	at             address
	user, password string
	trace          func(format string, args ...any)
}

// session is the answer to a login; Guest fields only with a guest cluster.
type session struct {
	Token       string `json:"session_id"`
	GuestServer string `json:"guest_cluster_server"`
	GuestCA     string `json:"guest_cluster_ca"`
}

// workload is a namespace that the user may use, on whatever Supervisor.
type workload struct {
	Namespace  string `json:"namespace"`
	MasterHost string `json:"master_host"`
	Port       int    `json:"control_plane_api_server_port"`
}

func (s *supervisor) login(ctx context.Context, guestName, guestNamespace string) (session, error) {
	body := map[string]string{}
	if guestName != "" {
		body["guest_cluster_name"] = guestName
	}
	if guestNamespace != "" {
		body["guest_cluster_namespace"] = guestNamespace
	}
	data, err := json.Marshal(body)
	if err != nil {
		return session{}, err
	}
	var answer session
	if err := s.ask(ctx, http.MethodPost, "/wcp/login", data, &answer); err != nil {
		return session{}, err
	}
	if _, err := expiry(answer.Token); err != nil {
		return session{}, fmt.Errorf("%s did not give a token: %w", s.at.login, err)
	}
	return answer, nil
}

func (s *supervisor) workloads(ctx context.Context) ([]workload, error) {
	var answer []workload
	return answer, s.ask(ctx, http.MethodGet, "/wcp/workloads", nil, &answer)
}

func (s *supervisor) ask(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	url := "https://" + s.at.login + path
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(s.user+":"+s.password)))
	begin := time.Now()
	status, data, err := do(s.client, request)
	s.trace("%s %s: %d after %v", method, url, status, time.Since(begin).Round(time.Millisecond))
	if err != nil {
		return err
	}
	switch status {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return errRefused
	default:
		return fmt.Errorf("%s %s: %s%s", method, url, http.StatusText(status), reason(data))
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s %s: the answer is not JSON: is %s a Supervisor?", method, url, s.at.login)
	}
	return nil
}

// reason that the server gives, if it gives one.
func reason(data []byte) string {
	var body struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(data, &body) != nil || body.Error == "" {
		return ""
	}
	return ": " + body.Error
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	status, data, err := do(client, request)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("GET %s: %d %s", url, status, http.StatusText(status))
	}
	return data, err
}

func do(client *http.Client, request *http.Request) (int, []byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("cannot reach the Supervisor: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, data, err
}
