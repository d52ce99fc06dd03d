package wcp

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pacific/internal/center/audit"
	"pacific/internal/center/inventory"
	"pacific/internal/center/rest"
	"pacific/internal/center/store/storetest"
)

type fleet []Host

func (f fleet) Hosts(context.Context, string) ([]Host, error)   { return f, nil }
func (f fleet) Nodes(context.Context, string) ([]string, error) { return nil, nil }
func (f fleet) Stats(context.Context, string) (Stats, error)    { return Stats{}, nil }

type admin struct{}

func (admin) Authenticate(*http.Request) (rest.Principal, error) {
	return rest.Principal{Name: "administrator", Domain: "pacific.local", Administrator: true}, nil
}

type noLog struct{}

func (noLog) Write(audit.Event) error { return nil }

type api struct {
	*testing.T
	service *Service
	handler http.Handler
}

func newAPI(t *testing.T, hosts ...Host) *api {
	s := storetest.New(t)
	if err := inventory.EnsureDefault(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	service := New(Config{Store: s, Fleet: fleet(hosts), Version: "v1.36.3"})
	for range 2 {
		if err := service.EnsureBuiltin(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return &api{t, service, rest.NewServer(admin{}, noLog{}, service.Routes())}
}

func (a *api) call(method, path, body string) (int, string) {
	a.Helper()
	recorder := httptest.NewRecorder()
	a.handler.ServeHTTP(recorder, httptest.NewRequest(method, path, strings.NewReader(body)))
	data, err := io.ReadAll(recorder.Body)
	if err != nil {
		a.Fatal(err)
	}
	return recorder.Code, string(data)
}

// want calls and demands a status and a text in the answer.
func (a *api) want(method, path, body string, code int, text string) {
	a.Helper()
	got, answer := a.call(method, path, body)
	if got != code || !strings.Contains(answer, text) {
		a.Errorf("%s %s %s: got %d %s; want %d with %q", method, path, body, got, answer, code, text)
	}
}

const classes = base + "/virtual-machine-classes"

func TestClasses(t *testing.T) {
	a := newAPI(t)
	var list []classInfo
	_, answer := a.call("GET", classes, "")
	if err := json.Unmarshal([]byte(answer), &list); err != nil || len(list) != len(builtin()) {
		t.Fatalf("got %d classes, %v", len(list), err)
	}
	a.want("POST", classes, `{"id":"mine","cpu_count":2,"memory_MB":4096,"devices":{}}`, 204, "")
	a.want("POST", classes, `{"id":"mine","cpu_count":2,"memory_MB":4096}`, 400, "ALREADY_EXISTS")
	a.want("GET", classes+"/mine", "", 200, `"memory_mb":4096`)
	a.want("PATCH", classes+"/mine", `{"id":"","cpu_count":4,"memory_MB":0,"devices":{}}`, 204, "")
	a.want("GET", classes+"/mine", "", 200, `"cpu_count":4,"memory_mb":4096`)
	a.want("PATCH", classes+"/mine", `{"memory_MB":-4}`, 400, "INVALID_ARGUMENT")
	a.want("PATCH", classes+"/mine", `{"cpu_reservation":101}`, 400, "0 to 100")
	a.want("PATCH", classes+"/mine", `{"id":"other"}`, 400, "cannot change")
	a.want("PATCH", classes+"/none", `{"cpu_count":4}`, 404, "NOT_FOUND")
	a.want("GET", classes+"/none", "", 404, "NOT_FOUND")
	a.want("POST", classes, `{"id":"Bad_Name","cpu_count":2,"memory_MB":4096}`, 400, "Bad_Name")
	a.want("POST", classes, `{"id":"x","memory_MB":4096}`, 400, "are needed")
	a.want("POST", classes, `{"id":"x","cpu_count":0,"memory_MB":4096}`, 400, "cpu_count 0")
	a.want("POST", classes, `{"id":"x","cpu_count":2,"memory_MB":4096,"config_spec":{"numCPUs":4}}`, 400, "numCPUs 4")
	a.want("POST", classes, `{"id":"x","cpu_count":2,"memory_MB":4096,"config_spec":{"_typeName":"VirtualMachineConfigSpec","numCPUs":2,"memoryMB":4096}}`, 204, "")
	a.want("POST", classes, `{"id":"y","cpu_count":"two","memory_MB":4096}`, 400, "INVALID_ARGUMENT")
	a.want("DELETE", classes+"/mine", "", 204, "")
	a.want("DELETE", classes+"/mine", "", 404, "NOT_FOUND")
	a.service.Classes.Users = func(context.Context) (map[string][]string, error) {
		return map[string][]string{"x": {"team-a"}}, nil
	}
	a.want("DELETE", classes+"/x", "", 400, "NOT_ALLOWED_IN_CURRENT_STATE")
	a.want("GET", classes+"/x", "", 200, `"namespaces":["team-a"]`)
}

// The body of the specification's example, as clients of the original send it.
const enableBody = `{"size_hint":"TINY","network_provider":"NSXT_CONTAINER_PLUGIN","service_cidr":{"address":"10.96.0.0","prefix":23},
 "ncp_cluster_network_spec":{"cluster_distributed_switch":"dvs-1","nsx_edge_cluster":"edge-1","pod_cidrs":[{"address":"10.244.0.0","prefix":20}],
   "ingress_cidrs":[{"address":"10.0.0.64","prefix":26}],"egress_cidrs":[{"address":"10.0.0.128","prefix":26}]},
 "master_management_network":{"mode":"STATICRANGE","network":"network-1","address_range":{"starting_address":"10.0.0.45","address_count":5,"subnet_mask":"255.255.255.0","gateway":"10.0.0.1"}},
 "master_DNS":["8.8.8.8"],"worker_DNS":["8.8.8.8"],"master_NTP_servers":["pool.ntp.org"],"Master_DNS_names":["wcp.example.com"],
 "login_banner":"Authorised use only"}`

const cluster = base + "/clusters/domain-c1"

func TestEnableAndDisable(t *testing.T) {
	a := newAPI(t, Host{Name: "h1"}, Host{Name: "h2"}, Host{Name: "h3"})
	a.want("GET", base+"/cluster-compatibility", "", 200, `"compatible":true`)
	a.want("GET", base+"/cluster-compatibility?compatible=false", "", 200, `[]`)
	a.want("GET", base+"/clusters", "", 200, `[]`)
	a.want("GET", cluster, "", 404, "is no Supervisor")
	a.want("POST", cluster+"?action=disable", "", 404, "is no Supervisor")
	a.want("POST", base+"/clusters/domain-c9?action=enable", enableBody, 404, "NOT_FOUND")
	a.want("POST", cluster+"?action=enable", enableBody, 204, "")
	a.want("POST", cluster+"?action=enable", enableBody, 400, "ALREADY_EXISTS")
	a.want("GET", base+"/clusters", "", 200, `"cluster":"domain-c1","cluster_name":"cluster-1","config_status":"CONFIGURING"`)
	for _, text := range []string{
		`"api_server_management_endpoint":"10.0.0.45"`, `"Master_DNS_names":["wcp.example.com"]`, `"login_banner":"Authorised use only"`,
		`"service_cidr":{"address":"10.96.0.0","prefix":23}`, `"pod_cidrs":[{"address":"10.244.0.0","prefix":20}]`,
	} {
		a.want("GET", cluster, "", 200, text)
	}
	a.want("GET", base+"/supervisors/summaries", "", 200, `"supervisor":"domain-c1"`)
	a.want("GET", base+"/supervisors/domain-c1/summary", "", 200, `"api_endpoint":"10.0.0.45"`)
	a.want("GET", base+"/supervisors/domain-c1/topology", "", 200, `"clusters":["domain-c1"]`)
	a.want("GET", base+"/software/clusters/domain-c1", "", 200, `"current_version":"v1.36.3"`)
	a.want("PATCH", cluster, `{"login_banner":"Other"}`, 204, "")
	a.want("GET", cluster, "", 200, `"login_banner":"Other"`)
	a.want("PATCH", cluster, `{"size_hint":"TINY"}`, 204, "")
	a.want("PATCH", cluster, `{"size_hint":"LARGE"}`, 400, "size_hint cannot be changed")
	a.want("PATCH", cluster, `{"image_storage":{"storage_policy":"none"}}`, 400, "no storage policy")
	a.want("PATCH", cluster, `{"nonsense":1}`, 400, "nonsense")
	a.want("POST", cluster+"?action=disable", "", 204, "")
	a.want("POST", cluster+"?action=disable", "", 400, "NOT_ALLOWED_IN_CURRENT_STATE")
	a.want("POST", cluster+"?action=enable", enableBody, 400, "NOT_ALLOWED_IN_CURRENT_STATE")
	a.want("GET", base+"/clusters", "", 200, `"config_status":"REMOVING"`)
}

func TestTooFewHosts(t *testing.T) {
	a := newAPI(t, Host{Name: "h1"}, Host{Name: "h2", Unfit: "in maintenance"}, Host{Name: "h3"})
	a.want("POST", cluster+"?action=enable", enableBody, 400, "cluster domain-c1 has 2 that can have one (h2: in maintenance)")
	a.want("GET", base+"/clusters", "", 200, `[]`)
}

func TestEnableRefusesBadBodies(t *testing.T) {
	a := newAPI(t, Host{Name: "h1"}, Host{Name: "h2"}, Host{Name: "h3"})
	for change, want := range map[string]string{
		`"size_hint":"HUGE"`:                                  "size_hint",
		`"size_hint":7`:                                       "INVALID_ARGUMENT",
		`"network_provider":"OTHER"`:                          "network_provider",
		`"service_cidr":{"address":"x","prefix":23}`:          "no IPv4 prefix",
		`"service_cidr":{"address":"10.96.0.1","prefix":23}`:  "host bits",
		`"service_cidr":{"address":"10.0.0.0","prefix":16}`:   "overlap",
		`"service_cidr":{"address":"10.244.0.0","prefix":20}`: "overlap",
		`"control_plane":{"count":2}`:                         "give 1, 3 or 5",
		`"control_plane":{"deployment":"CLOUD"}`:              "AUTO, VM, PROCESS",
		`"control_plane":{"count":5}`:                         "give at least 7",
		`"Master_DNS_names":["a b"]`:                          "no DNS name",
		`"master_DNS":["one"]`:                                "no IP address",
		`"master_storage_policy":"gold"`:                      "no storage policy",
		`"master_management_network":{"mode":"DHCP"}`:         "address_range",
		`"master_management_network":null`:                    "address_range",
		`"login_banner":"` + strings.Repeat("x", 3000) + `"`:  "login_banner",
		`"unknown":1`: "unknown field",
		`"master_management_network":{"mode":"STATICRANGE","network":"n","address_range":{"starting_address":"10.0.0.45","address_count":5,"subnet_mask":"255.0.255.0","gateway":""}}`:            "subnet_mask",
		`"master_management_network":{"mode":"STATICRANGE","network":"n","address_range":{"starting_address":"10.0.0.253","address_count":5,"subnet_mask":"255.255.255.0","gateway":""}}`:         "do not fit",
		`"master_management_network":{"mode":"STATICRANGE","network":"n","address_range":{"starting_address":"10.0.0.45","address_count":5,"subnet_mask":"255.255.255.0","gateway":"10.0.0.46"}}`: "own addresses",
	} {
		field, _, _ := strings.Cut(change, ":")
		var body map[string]json.RawMessage
		if err := json.Unmarshal([]byte(enableBody), &body); err != nil {
			t.Fatal(err)
		}
		body[strings.Trim(field, `"`)] = json.RawMessage(strings.TrimPrefix(change, field+":"))
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		a.want("POST", cluster+"?action=enable", string(data), 400, want)
	}
	a.want("GET", base+"/clusters", "", 200, `[]`)
}

func TestEnableOnComputeCluster(t *testing.T) {
	a := newAPI(t, Host{Name: "h1"})
	body := `{"name":"s1","control_plane":{"count":1,"size":"TINY","login_banner":"hi","network":{"backing":{"backing":"NETWORK","network":"network-1"},
	 "ip_management":{"dhcp_enabled":false,"gateway_address":"10.0.0.1/24","ip_assignments":[{"assignee":"NODE","ranges":[{"address":"10.0.0.45","count":5}]}]}}},
	 "workloads":{"network":{"network_type":"NSX_VPC","ip_management":{"ip_assignments":[{"assignee":"SERVICE","ranges":[{"address":"10.96.0.0","count":512}]},{"assignee":"POD","ranges":[{"address":"10.244.0.0","count":65536}]}]}},
	 "edge":{"provider":"NSX"},"kube_api_server_options":{"security":{"certificate_dns_names":["wcp.example.com"]}}}}`
	a.want("POST", base+"/supervisors/domain-c1?action=enable_on_compute_cluster", body, 200, `"domain-c1"`)
	a.want("GET", cluster, "", 200, `"service_cidr":{"address":"10.96.0.0","prefix":23}`)
	a.want("GET", cluster, "", 200, `"control_plane":{"count":1`)
	a.want("POST", base+"/supervisors/domain-c1?action=enable_on_compute_cluster", `{"name":"x"}`, 400, "ip_assignments")
}
