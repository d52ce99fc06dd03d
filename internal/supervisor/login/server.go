package login

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"

	"k8s.io/klog/v2"
)

// maxBody is far above the largest body of a login.
const maxBody = 16 << 10

// center is what the handler asks; [ErrRefused] for a wrong password.
type center interface {
	Token(ctx context.Context, user, password string) (string, error)
	Workloads(ctx context.Context, user, password string) ([]Workload, error)
}

type handler struct {
	config   Config
	center   center
	keys     *keys
	failures *failures
}

func newHandler(config Config, center center, keys *keys) http.Handler {
	h := &handler{config: config, center: center, keys: keys, failures: newFailures(time.Now)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.page)
	mux.HandleFunc("POST /wcp/login", h.login)
	mux.HandleFunc("GET /wcp/workloads", h.workloads)
	mux.HandleFunc("GET /wcp/ca", h.authority)
	mux.HandleFunc("GET /wcp/plugin/{platform}/vsphere-plugin.zip", h.plugin)
	mux.HandleFunc("GET "+issuerPath+"/jwks", h.jwks)
	mux.HandleFunc("GET "+issuerPath+wellKnown, h.discovery)
	mux.HandleFunc("GET "+issuerPath+"/{state}"+wellKnown, h.discovery)
	return headers(mux)
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// loginRequest is the body of a login; it may be empty.
type loginRequest struct {
	GuestClusterName      string `json:"guest_cluster_name"`
	GuestClusterNamespace string `json:"guest_cluster_namespace"`
}

// loginAnswer has no guest_cluster_server, by which clients of the original see that there is no such cluster.
type loginAnswer struct {
	SessionID string `json:"session_id"`
}

func (h *handler) login(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, "the body is too large")
		return
	}
	var wanted loginRequest
	if len(body) > 0 && json.Unmarshal(body, &wanted) != nil {
		fail(w, http.StatusBadRequest, "the body is not valid: give nothing, {}, or an object with guest_cluster_name and guest_cluster_namespace")
		return
	}
	h.asUser(w, r, func(ctx context.Context, user, password string) (any, error) {
		token, err := h.center.Token(ctx, user, password)
		return loginAnswer{SessionID: token}, err
	})
}

// workloadAnswer is an element of /wcp/workloads.
type workloadAnswer struct {
	Workload
	Port     int      `json:"control_plane_api_server_port"`
	DNSNames []string `json:"control_plane_dns_names"`
}

func (h *handler) workloads(w http.ResponseWriter, r *http.Request) {
	h.asUser(w, r, func(ctx context.Context, user, password string) (any, error) {
		workloads, err := h.center.Workloads(ctx, user, password)
		answer := []workloadAnswer{}
		for _, workload := range workloads {
			answer = append(answer, workloadAnswer{Workload: workload, Port: h.config.APIPort, DNSNames: []string{}})
		}
		return answer, err
	})
}

// asUser does something for who gives a name and password, and slows those down who guess.
func (h *handler) asUser(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, user, password string) (any, error)) {
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	if wait := h.failures.wait(source); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		fail(w, http.StatusTooManyRequests, "too many refused logins from this address: wait a little")
		return
	}
	user, password, ok := r.BasicAuth()
	if !ok || user == "" || password == "" {
		unauthorized(w, "give a user and a password: Authorization: Basic")
		return
	}
	answer, err := do(r.Context(), user, password)
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, answer)
	case errors.Is(err, ErrRefused):
		h.failures.add(source)
		klog.InfoS("Login refused", "user", user, "from", source)
		unauthorized(w, "wrong user or password, or the user is locked")
	case r.Context().Err() != nil: // nobody waits any longer
	default:
		klog.ErrorS(err, "Login failed", "user", user, "from", source)
		fail(w, http.StatusServiceUnavailable, "center cannot be asked now: try again; whoever has a token may use it meanwhile")
	}
}

func unauthorized(w http.ResponseWriter, message string) {
	w.Header().Set("WWW-Authenticate", `Basic realm="Supervisor"`)
	fail(w, http.StatusUnauthorized, message)
}

func fail(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]string{"error": message})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// jwks is asked by the kube-apiserver when it meets a key that it does not know.
func (h *handler) jwks(w http.ResponseWriter, r *http.Request) {
	h.keys.refresh(r.Context())
	data, err := h.keys.known()
	if err != nil {
		klog.ErrorS(err, "Cannot read the keys of center's tokens")
		fail(w, http.StatusInternalServerError, "the keys cannot be read")
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(data)
}

// discovery speaks for center's issuer, with the Supervisor's copy of the keys.
func (h *handler) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                h.config.Issuer,
		"jwks_uri":                              "https://" + h.config.Address.String() + issuerPath + "/jwks",
		"response_types_supported":              []string{"none"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
}
