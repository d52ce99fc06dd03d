package namespaces

import (
	"strings"
	"testing"

	"pacific/internal/center/rest"
)

const demo = `{"cluster":"domain-c1","namespace":"demo","description":"d","resource_spec":{"cpu_limit":8000,"pod_count":20},
"storage_specs":[{"policy":"policy-1","limit":20480}],
"access_list":[{"subject_type":"USER","subject":"dev1","domain":"corp.local","role":"EDIT"}],
"vm_service_spec":{"content_libraries":["lib-1"],"vm_classes":["best-effort-small"]}}`

func TestNamespaces(t *testing.T) {
	a := newAPI(t)
	a.want(200, "[]", "GET", instances, "")
	a.want(204, "", "POST", instances, demo)
	a.want(200, `"config_status":"CONFIGURING"`, "GET", instances, "")
	a.want(200, `"cluster":"domain-c1","namespace":"demo"`, "GET", instances, "")
	a.want(200, `"supervisor":"domain-c1","namespace":"demo"`, "GET", instances+"/v2", "")
	info := a.get(instances + "/demo")
	for key, want := range map[string]string{
		"cluster": "domain-c1", "description": "d", "config_status": "CONFIGURING", "resource_pool": "resgroup-100", "vm_folder": "group-v100",
	} {
		if info[key] != want {
			t.Errorf("%s: got %v, want %v", key, info[key], want)
		}
	}
	if stats := info["stats"].(map[string]any); stats["cpu_used"] != 4.0 || stats["memory_used"] != 2.0 || stats["storage_used"] != 3.0 {
		t.Errorf("got %v", stats)
	}
	if creator := info["creator"].(map[string]any); creator["subject"] != "administrator" {
		t.Errorf("got %v", creator)
	}
	if len(info["messages"].([]any)) == 0 {
		t.Error("nothing says what a namespace that is being configured waits for")
	}

	a.want(204, "", "PATCH", instances+"/demo", `{"storage_specs":[{"policy":"policy-1","limit":40960}]}`)
	a.want(200, `"storage_specs":[{"policy":"policy-1","limit":40960}]`, "GET", instances+"/demo", "")
	a.want(200, `"cpu_limit":8000`, "GET", instances+"/demo", "")
	a.want(204, "", "PATCH", instances+"/demo", `{"vm_service_spec":{"content_libraries":["lib-2"]}}`)
	a.want(200, `"vm_service_spec":{"content_libraries":["lib-2"]}`, "GET", instances+"/demo", "")
	a.want(204, "", "PUT", instances+"/demo", `{"description":"e"}`)
	a.want(200, `"description":"e","resource_spec":{},"access_list":[],"storage_specs":[],"vm_service_spec":{},"content_libraries":[]`, "GET", instances+"/demo", "")

	a.want(204, "", "DELETE", instances+"/demo", "")
	a.want(204, "", "DELETE", instances+"/demo", "")
	a.want(200, `"config_status":"REMOVING"`, "GET", instances+"/demo", "")
	a.want(400, "NOT_ALLOWED_IN_CURRENT_STATE", "PATCH", instances+"/demo", `{"description":"x"}`)
	a.want(400, "is being removed", "POST", instances, demo)
}

func TestVersion2(t *testing.T) {
	a := newAPI(t)
	a.want(204, "", "POST", instances+"/v2", `{"supervisor":"domain-c1","namespace":"two","self_service_namespace":true}`)
	info := a.get(instances + "/v2/two")
	if info["supervisor"] != "domain-c1" || info["cluster"] != nil || info["self_service_namespace"] != true {
		t.Errorf("got %v", info)
	}
}

func TestRefusals(t *testing.T) {
	a := newAPI(t)
	a.want(204, "", "POST", instances, demo)
	body := func(more string) string { return `{"cluster":"domain-c1","namespace":"other"` + more + `}` }
	for _, test := range []struct {
		code                     int
		text, method, path, body string
	}{
		{404, "NOT_FOUND", "GET", instances + "/nothing", ""},
		{404, "NOT_FOUND", "GET", instances + "/v2/nothing", ""},
		{404, "NOT_FOUND", "PATCH", instances + "/nothing", `{}`},
		{404, "NOT_FOUND", "PUT", instances + "/nothing", `{}`},
		{404, "NOT_FOUND", "DELETE", instances + "/nothing", ""},
		{400, "ALREADY_EXISTS", "POST", instances, demo},
		{404, "enable one first", "POST", instances, `{"cluster":"domain-c9","namespace":"other"}`},
		{400, "NOT_ALLOWED_IN_CURRENT_STATE", "POST", instances, `{"cluster":"domain-c2","namespace":"other"}`},
		{400, "no storage policy", "POST", instances, body(`,"storage_specs":[{"policy":"gold"}]`)},
		{400, "no VM class", "POST", instances, body(`,"vm_service_spec":{"vm_classes":["huge"]}`)},
		{400, "nobody@corp.local", "POST", instances, body(`,"access_list":[{"subject_type":"USER","subject":"nobody","domain":"corp.local","role":"VIEW"}]`)},
		{400, "no storage policy", "PATCH", instances + "/demo", `{"storage_specs":[{"policy":"gold"}]}`},
		{400, "cannot change", "PATCH", instances + "/demo", `{"cluster":"domain-c2"}`},
		{400, "unknown field", "PATCH", instances + "/demo", `{"cpu":1}`},
		{400, "INVALID_ARGUMENT", "PATCH", instances + "/demo", `{"resource_spec":{"cpu_limit":-5}}`},
		{400, "UNSUPPORTED", "POST", instances + "/demo/registervm", `{"vm":"vm-42"}`},
		{404, "NOT_FOUND", "POST", instances + "/nothing/registervm", `{"vm":"vm-42"}`},
		{404, "NOT_FOUND", "GET", instances + "/demo/access/corp.local/dev2?type=USER", ""},
		{400, "add ?type=", "GET", instances + "/demo/access/corp.local/dev1", ""},
		{400, "ROBOT", "GET", instances + "/demo/access/corp.local/dev1?type=ROBOT", ""},
		{400, "ALREADY_EXISTS", "POST", instances + "/demo/access/corp.local/dev1?type=USER", `{"role":"EDIT"}`},
		{400, "role", "POST", instances + "/demo/access/corp.local/dev2?type=USER", `{"role":"KING"}`},
		{400, "nobody", "POST", instances + "/demo/access/corp.local/nobody?type=USER", `{"role":"EDIT"}`},
		{404, "NOT_FOUND", "PUT", instances + "/demo/access/corp.local/dev2?type=USER", `{"role":"EDIT"}`},
		{404, "NOT_FOUND", "DELETE", instances + "/demo/access/corp.local/dev2?type=USER", ""},
		{404, "NOT_FOUND", "GET", selfServicePath + "/domain-c9", ""},
		{404, "activateWithTemplate", "POST", selfServicePath + "/domain-c1?action=activate", ""},
		{400, "has no action", "POST", selfServicePath + "/domain-c1?action=start", ""},
		{404, "NOT_FOUND", "GET", templatesPath + "/clusters/domain-c1/nothing", ""},
	} {
		a.want(test.code, test.text, test.method, test.path, test.body)
	}
	a.who = rest.Principal{Name: "reader", Domain: "x", ReadOnly: true}
	a.want(200, "demo", "GET", instances, "")
	a.want(403, "UNAUTHORIZED", "DELETE", instances+"/demo", "")
	a.who = rest.Principal{Name: "dev1", Domain: "corp.local"}
	a.want(403, "UNAUTHORIZED", "GET", instances, "")
}

func TestAccess(t *testing.T) {
	a := newAPI(t)
	a.want(204, "", "POST", instances, demo)
	dev2 := instances + "/demo/access/corp.local/dev2?type=GROUP"
	a.want(204, "", "POST", dev2, `{"role":"VIEW"}`)
	a.want(200, `{"role":"VIEW","inherited":false}`, "GET", dev2, "")
	a.want(204, "", "PUT", dev2, `{"role":"OWNER"}`)
	a.want(200, `"OWNER"`, "GET", dev2, "")
	a.want(404, "", "GET", instances+"/demo/access/corp.local/dev2?type=USER", "")
	a.want(204, "", "DELETE", dev2, "")
	a.want(404, "", "GET", dev2, "")
	a.want(200, `"subject":"dev1"`, "GET", instances+"/demo", "")
}

func TestNamespacesOfUsers(t *testing.T) {
	a := newAPI(t)
	a.want(204, "", "POST", instances, demo)
	a.want(204, "", "POST", instances, `{"cluster":"domain-c1","namespace":"team","access_list":[{"subject_type":"GROUP","subject":"devs","domain":"corp.local","role":"VIEW"}]}`)
	const path = "/api/vcenter/namespaces-user/namespaces"
	names := func(query string) string {
		t.Helper()
		code, answer := a.do("GET", path+query, "")
		if code != 200 {
			t.Fatalf("%d %s", code, answer)
		}
		var list []string
		for _, name := range []string{"demo", "team"} {
			if strings.Contains(answer, `{"namespace":"`+name+`","master_host":"10.77.0.2","control_plane_api_server_port":6443`) {
				list = append(list, name)
			}
		}
		return strings.Join(list, ",")
	}
	for query, want := range map[string]string{
		"?username=dev1@corp.local":                                                                 "demo",
		"?username=dev1@corp.local&groups=devs@corp.local":                                          "demo,team",
		"?username=dev2@corp.local&groups=a@b,devs@corp.local":                                      "team",
		"?username=dev2@corp.local":                                                                 "",
		"?username=boss@pacific.local&groups=Administrators@pacific.local&groups=all@pacific.local": "demo,team",
		"": "",
	} {
		if got := names(query); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	a.who = rest.Principal{Name: "dev1", Domain: "corp.local", Groups: []string{"devs@corp.local"}}
	if got := names(""); got != "demo,team" {
		t.Errorf("got %q", got)
	}
	if got := names("?username=dev1@corp.local"); got != "demo,team" {
		t.Errorf("got %q", got)
	}
	a.want(403, "its own", "GET", path+"?username=dev2@corp.local", "")
	a.want(403, "its own", "GET", path+"?username=dev1@corp.local&groups=Administrators@pacific.local", "")
	a.who = rest.Principal{Name: "reader", Domain: "x", ReadOnly: true}
	a.want(400, "name@domain", "GET", path+"?username=dev2", "")
	a.who.ReadOnly, a.who.Administrator = false, true
	a.want(204, "", "DELETE", instances+"/demo", "")
	if got := names("?username=dev1@corp.local"); got != "" {
		t.Errorf("a namespace that goes is offered: %q", got)
	}
}

func TestSelfServiceAndTemplates(t *testing.T) {
	a := newAPI(t)
	const template = `{"template":"small","resource_spec":{"cpu_limit":100},"storage_specs":[{"policy":"policy-1"}],"permissions":[{"subject_type":"USER","subject":"dev1","domain":"corp.local"}]}`
	self, templates := selfServicePath+"/domain-c1", templatesPath+"/clusters/domain-c1"
	a.want(200, `"INACTIVE"`, "GET", self, "")
	a.want(204, "", "POST", self+"?action=activateWithTemplate", template)
	a.want(200, `{"cluster":"domain-c1","status":"ACTIVE","namespace_template":"small"}`, "GET", self, "")
	a.want(200, `{"cluster":"domain-c2","status":"INACTIVE"}`, "GET", selfServicePath, "")
	a.want(400, "is active", "POST", self+"?action=activateWithTemplate", template)
	a.want(200, `"cpu_limit":100`, "GET", templates+"/small", "")
	a.want(200, `"cpu_limit":100`, "GET", templatesPath+"/supervisors/domain-c1/small", "")
	a.want(204, "", "PATCH", templates+"/small", `{"resource_spec":{"cpu_limit":200}}`)
	a.want(200, `"cpu_limit":200`, "GET", templates+"/small", "")
	a.want(200, `"subject":"dev1"`, "GET", templates+"/small", "")
	a.want(400, "no storage policy", "PATCH", templates+"/small", `{"storage_specs":[{"policy":"x"}]}`)
	a.want(400, "deactivate that first", "DELETE", templates+"/small", "")
	a.want(400, "ALREADY_EXISTS", "POST", templates, template)
	a.want(400, "Small_1", "POST", templates, `{"template":"Small_1"}`)
	a.want(204, "", "POST", templates, `{"template":"large"}`)
	a.want(200, `"large"`, "GET", templates, "")
	a.want(204, "", "POST", self+"?action=deactivate", "")
	a.want(200, `"INACTIVE","namespace_template":"small"`, "GET", self, "")
	a.want(204, "", "POST", self+"?action=activate", "")
	a.want(200, `"ACTIVE","namespace_template":"small"`, "GET", self, "")
	a.want(204, "", "POST", self+"?action=deactivate", "")
	a.want(204, "", "DELETE", templates+"/small", "")
	a.want(404, "", "DELETE", templates+"/small", "")
}
