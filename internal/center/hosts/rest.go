package hosts

import (
	"errors"
	"net/http"
	"slices"
	"sort"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/center/inventory"
	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// Routes of the part.
func (h *Hosts) Routes() []rest.Route {
	const one = "/api/pacific/hosts/{host}"
	return []rest.Route{
		{Method: http.MethodGet, Path: "/api/vcenter/host", Access: rest.Reader, Handle: h.listOriginal},
		{Method: http.MethodGet, Path: "/rest/vcenter/host", Access: rest.Reader, Handle: h.listOriginal},
		{Method: http.MethodPost, Path: "/api/pacific/hosts/tokens", Handle: h.createToken},
		{Method: http.MethodGet, Path: "/api/pacific/hosts", Access: rest.Reader, Handle: h.list},
		{Method: http.MethodGet, Path: one, Access: rest.Reader, Handle: h.get},
		{Method: http.MethodPatch, Path: one, Handle: h.patch},
		{Method: http.MethodPost, Path: one, Action: "enter-maintenance", Handle: func(r *rest.Request) (any, error) { return nil, h.setMaintenance(r, true) }},
		{Method: http.MethodPost, Path: one, Action: "exit-maintenance", Handle: func(r *rest.Request) (any, error) { return nil, h.setMaintenance(r, false) }},
		{Method: http.MethodDelete, Path: one, Handle: h.delete},
	}
}

// NewToken is the answer to a request for a join token, the only time that the token is shown.
type NewToken struct {
	Token    string    `json:"token"`
	Expires  time.Time `json:"expires"`
	CASHA256 string    `json:"ca_sha256"` // of center's authority, for pacific host join --ca-sha256
}

func (h *Hosts) createToken(r *rest.Request) (any, error) {
	var body struct {
		TTLSeconds int `json:"ttl_seconds"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	life := defaultTokenLife
	if body.TTLSeconds != 0 {
		life = time.Duration(body.TTLSeconds) * time.Second
	}
	if body.TTLSeconds < 0 || life > maxTokenLife || life < time.Second {
		return nil, vapi.InvalidArgument("hosts.token.ttl", "ttl_seconds %d is not from 1 to %d", body.TTLSeconds, int(maxTokenLife/time.Second))
	}
	text, expires, err := h.newToken(r.Context(), r.Principal.String(), life)
	if err != nil {
		return nil, err
	}
	return NewToken{Token: text, Expires: expires, CASHA256: h.config.CenterCA.Fingerprint()}, nil
}

// Summary is a host in the original's list.
type Summary struct {
	Host            string `json:"host"`
	Name            string `json:"name"`
	ConnectionState State  `json:"connection_state"`
	PowerState      string `json:"power_state,omitempty"`
}

func (h *Hosts) listOriginal(r *rest.Request) (any, error) {
	hosts, err := h.List(r.Context())
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	chosen := func(value string, keys ...string) bool {
		var wanted []string
		for _, key := range keys {
			wanted = append(wanted, query[key]...)
		}
		return len(wanted) == 0 || slices.Contains(wanted, value)
	}
	list := []Summary{}
	for _, host := range hosts {
		connection, _ := host.Connection()
		summary := Summary{Host: host.ID, Name: host.Name, ConnectionState: connection}
		if connection == Connected {
			summary.PowerState = "POWERED_ON"
		}
		if chosen(host.ID, "hosts", "filter.hosts") && chosen(host.Name, "names", "filter.names") && chosen(host.Cluster, "clusters", "filter.clusters") &&
			chosen(inventory.DefaultDatacenter, "datacenters", "filter.datacenters") && chosen(string(connection), "connection_states", "filter.connection_states") {
			list = append(list, summary)
		}
	}
	return list, nil
}

// Info is a host in this API.
type Info struct {
	Host        string            `json:"host"`
	Name        string            `json:"name"`
	Cluster     string            `json:"cluster"`
	Address     string            `json:"address"`
	State       State             `json:"state"`
	Message     string            `json:"message,omitempty"`
	Maintenance bool              `json:"maintenance"`
	Labels      map[string]string `json:"labels"`
	Joined      time.Time         `json:"joined"`
	// LastHeartbeat is zero before the first.
	LastHeartbeat time.Time `json:"last_heartbeat,omitzero"`
	Facts         Facts     `json:"facts"`
	// InSync tells whether the host follows the wanted state of now.
	InSync       bool          `json:"in_sync"`
	Problems     []string      `json:"problems,omitempty"`
	Daemons      []Daemon      `json:"daemons,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"`
}

// Daemon of a host as it reported last.
type Daemon struct {
	Name    string `json:"name"`
	PID     int32  `json:"pid"`
	Ends    uint32 `json:"ends"`
	LastEnd string `json:"last_end,omitempty"`
}

// Certificate of a host.
type Certificate struct {
	Purpose  string    `json:"purpose"`
	NotAfter time.Time `json:"not_after"`
}

func (h *Hosts) list(r *rest.Request) (any, error) {
	hosts, err := h.List(r.Context())
	list := []Info{}
	for _, host := range hosts {
		list = append(list, h.info(r, host))
	}
	return list, err
}

func (h *Hosts) get(r *rest.Request) (any, error) {
	host, err := h.ofPath(r)
	if err != nil {
		return nil, err
	}
	return h.info(r, host), nil
}

func (h *Hosts) info(r *rest.Request, host Host) Info {
	state, message := host.State()
	info := Info{
		Host: host.ID, Name: host.Name, Cluster: host.Cluster, Address: host.Address, State: state, Message: message, Maintenance: host.Maintenance,
		Labels: host.Labels, Joined: host.Joined, LastHeartbeat: h.lastHeard(host).UTC(), Facts: host.Facts, Problems: host.Problems,
	}
	if info.Labels == nil {
		info.Labels = map[string]string{}
	}
	if wanted, err := h.wanted(r.Context(), host.ID); err == nil {
		info.InSync = wanted.GetRevision() == host.Revision
	}
	info.addReport(h.Report(host.ID))
	return info
}

func (info *Info) addReport(report *centerv1.Report) {
	for _, d := range report.GetDaemons() {
		info.Daemons = append(info.Daemons, Daemon{Name: d.GetName(), PID: d.GetPid(), Ends: d.GetEnds(), LastEnd: d.GetLastEnd()})
	}
	for _, c := range report.GetCertificates() {
		info.Certificates = append(info.Certificates, Certificate{Purpose: c.GetPurpose().String(), NotAfter: c.GetNotAfter().AsTime()})
	}
	sort.Slice(info.Certificates, func(i, j int) bool { return info.Certificates[i].Purpose < info.Certificates[j].Purpose })
}

func (h *Hosts) patch(r *rest.Request) (any, error) {
	var body struct {
		// Labels replace all that are there.
		Labels map[string]string `json:"labels"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	for key, value := range body.Labels {
		if wrong := validation.IsQualifiedName(key); len(wrong) > 0 {
			return nil, vapi.InvalidArgument("hosts.label", "label %q: %s", key, wrong[0])
		}
		if wrong := validation.IsValidLabelValue(value); len(wrong) > 0 {
			return nil, vapi.InvalidArgument("hosts.label", "value %q of label %q: %s", value, key, wrong[0])
		}
	}
	return nil, h.change(r, func(host *Host) error {
		if body.Labels != nil {
			host.Labels = body.Labels
		}
		return nil
	})
}

func (h *Hosts) setMaintenance(r *rest.Request, wanted bool) error {
	return h.change(r, func(host *Host) error {
		if host.Removing {
			return vapi.NotAllowedInCurrentState("hosts.removing", "host %s is being removed", host.Name)
		}
		host.Maintenance = wanted
		return nil
	})
}

func (h *Hosts) change(r *rest.Request, change func(*Host) error) error {
	host, err := h.ofPath(r)
	if err != nil {
		return err
	}
	_, err = h.records.hosts.Update(r.Context(), host.ID, change)
	return asNotFound(err, r.PathValue("host"))
}

func (h *Hosts) delete(r *rest.Request) (any, error) {
	force := r.URL.Query().Get("force")
	if force != "" && force != "true" && force != "false" {
		return nil, vapi.InvalidArgument("hosts.force", "force=%s is neither true nor false", force)
	}
	_, err := h.Remove(r.Context(), r.PathValue("host"), force == "true")
	return nil, asNotFound(err, r.PathValue("host"))
}

func (h *Hosts) ofPath(r *rest.Request) (Host, error) {
	host, err := h.Find(r.Context(), r.PathValue("host"))
	return host, asNotFound(err, r.PathValue("host"))
}

func asNotFound(err error, name string) error {
	if errors.Is(err, store.ErrNotFound) {
		return vapi.NotFound("hosts.host", "there is no host %s; pacific host ls lists them", name)
	}
	return err
}
