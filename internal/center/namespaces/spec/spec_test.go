package spec_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pacific/internal/center/namespaces/spec"
	"pacific/internal/center/rest"
	"pacific/internal/center/vapi"
)

func decode(body string) error {
	var c spec.Create
	if err := rest.DecodeJSON([]byte(body), &c); err != nil {
		return err
	}
	return c.Validate()
}

func TestCreateBodies(t *testing.T) {
	access := func(entries string) string {
		return `{"namespace":"a","cluster":"domain-c1","access_list":[` + entries + `]}`
	}
	dev := `{"subject_type":"USER","subject":"dev1","domain":"x","role":"EDIT"}`
	resources := func(r string) string { return `{"namespace":"a","cluster":"domain-c1","resource_spec":{` + r + `}}` }
	for _, test := range []struct{ body, kind, says string }{
		{`{"namespace":"a","cluster":"domain-c1"}`, "", ""},
		{`{"namespace":"a","supervisor":"domain-c1","description":"ä"}`, "", ""},
		{`{"cluster":"domain-c1"}`, "INVALID_ARGUMENT", "namespace is missing"},
		{`{"namespace":"a"}`, "INVALID_ARGUMENT", "cluster"},
		{`{"namespace":"a","cluster":"c","supervisor":"s"}`, "INVALID_ARGUMENT", "not both"},
		{`{"namespace":"Demo_1","cluster":"c"}`, "INVALID_ARGUMENT", "Demo_1"},
		{`{"namespace":"` + strings.Repeat("a", 64) + `","cluster":"c"}`, "INVALID_ARGUMENT", "63"},
		{`{"namespace":"kube-system","cluster":"c"}`, "INVALID_ARGUMENT", "reserved"},
		{`{"namespace":"v2","cluster":"c"}`, "INVALID_ARGUMENT", "reserved"},
		{`{"namespace":1,"cluster":"c"}`, "INVALID_ARGUMENT", "namespace"},
		{`{"namespace":"a","cluster":"c","limits":{}}`, "INVALID_ARGUMENT", `"limits"`},
		{`{"namespace":"a","cluster":"c","networks":["n"]}`, "UNSUPPORTED", "network"},
		{`{"namespace":"a","cluster":"c","zones":[{"name":"z"}]}`, "UNSUPPORTED", "zone"},
		{`{"namespace":"a","cluster":"c","creator":{"subject":"","domain":"x"}}`, "INVALID_ARGUMENT", "creator"},
		{`{"namespace":"a","cluster":"c","description":"` + strings.Repeat("a", 1025) + `"}`, "INVALID_ARGUMENT", "1024"},
		{access(dev), "", ""},
		{access(dev + `,{"subject_type":"GROUP","subject":"dev1","domain":"x","role":"VIEW"}`), "", ""},
		{access(dev + `,{"subject_type":"USER","subject":"Dev1","domain":"X","role":"VIEW"}`), "INVALID_ARGUMENT", "twice"},
		{access(`{"subject_type":"ROBOT","subject":"dev1","domain":"x","role":"EDIT"}`), "INVALID_ARGUMENT", "ROBOT"},
		{access(`{"subject_type":"USER","subject":"dev1","domain":"x","role":"ADMIN"}`), "INVALID_ARGUMENT", "ADMIN"},
		{access(`{"subject_type":"USER","subject":"a/b","domain":"x","role":"EDIT"}`), "INVALID_ARGUMENT", "a/b"},
		{access(`{"subject_type":"USER","subject":"a","domain":"","role":"EDIT"}`), "INVALID_ARGUMENT", "domain"},
		{resources(`"cpu_limit":1000,"memory_limit":1024,"pod_count":0`), "", ""},
		{resources(`"cpu_limit":0`), "INVALID_ARGUMENT", "cpu_limit"},
		{resources(`"memory_limit":-1`), "INVALID_ARGUMENT", "memory_limit"},
		{resources(`"memory_limit":9223372036854775807`), "INVALID_ARGUMENT", "memory_limit"},
		{resources(`"pod_count":1.5`), "INVALID_ARGUMENT", "pod_count"},
		{resources(`"cpu_limit":100,"cpu_reservation":200`), "INVALID_ARGUMENT", "cpu_reservation"},
		{resources(`"memory_limit_default":1,"memory_request_default":2`), "INVALID_ARGUMENT", "memory_request_default"},
		{`{"namespace":"a","cluster":"c","storage_specs":[{"policy":"p"},{"policy":"p","limit":1}]}`, "INVALID_ARGUMENT", "twice"},
		{`{"namespace":"a","cluster":"c","storage_specs":[{"policy":"p","limit":-1}]}`, "INVALID_ARGUMENT", "limit"},
		{`{"namespace":"a","cluster":"c","storage_specs":[{"limit":1}]}`, "INVALID_ARGUMENT", "policy"},
		{`{"namespace":"a","cluster":"c","vm_service_spec":{"vm_classes":["x","x"]}}`, "INVALID_ARGUMENT", "twice"},
		{`{"namespace":"a","cluster":"c","content_libraries":[{"content_library":"l","resource_naming_strategy":"X"}]}`, "INVALID_ARGUMENT", "resource_naming_strategy"},
		{`{"namespace":"a","cluster":"c","vm_service_spec":{}}`, "", ""},
	} {
		err := decode(test.body)
		if test.kind == "" {
			if err != nil {
				t.Errorf("%s: %v", test.body, err)
			}
			continue
		}
		e, ok := errors.AsType[*vapi.Error](err)
		if !ok || e.Type != test.kind || !strings.Contains(e.Error(), test.says) {
			t.Errorf("%s: got %v, want %s that says %q", test.body, err, test.kind, test.says)
		}
	}
}

func TestUpdateKeepsWhatItDoesNotSay(t *testing.T) {
	before := spec.Settings{Description: "d", Storage: []spec.Storage{{Policy: "p"}}, VMService: spec.VMService{VMClasses: []string{"c"}}}
	var u spec.Update
	if err := rest.DecodeJSON([]byte(`{"vm_service_spec":{"content_libraries":["l"]}}`), &u); err != nil {
		t.Fatal(err)
	}
	after := u.Apply(before)
	if after.Description != "d" || len(after.Storage) != 1 || len(after.VMService.VMClasses) != 0 || !slices.Equal(after.VMService.ContentLibraries, []string{"l"}) {
		t.Errorf("got %+v", after)
	}
}

func TestFixedFieldsAreRefused(t *testing.T) {
	for _, body := range []string{`{"cluster":"c"}`, `{"namespace":"n"}`, `{"supervisor":"s"}`, `{"self_service_namespace":true}`} {
		var u spec.Update
		if err := rest.DecodeJSON([]byte(body), &u); err != nil {
			t.Fatal(err)
		}
		if err := u.Validate(); err == nil || !strings.Contains(err.Error(), "cannot change") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// FuzzBodies: whatever the body, the answer is one of the API's errors, and what is accepted is within its bounds.
func FuzzBodies(f *testing.F) {
	f.Add(`{"namespace":"a","cluster":"domain-c1","resource_spec":{"cpu_limit":1},"access_list":[{"subject_type":"USER","subject":"a","domain":"b","role":"EDIT"}]}`)
	f.Add(`{"namespace":"a","supervisor":"s","storage_specs":[{"policy":"p","limit":1}],"zones":[{"name":"z"}]}`)
	f.Add(`{"description":null,"access_list":null,"networks":[]}`)
	f.Fuzz(func(t *testing.T, body string) {
		var c spec.Create
		err := rest.DecodeJSON([]byte(body), &c)
		if err == nil {
			err = c.Validate()
		}
		if _, ok := errors.AsType[*vapi.Error](err); err != nil && !ok {
			t.Errorf("%T %v", err, err)
		}
		if err == nil && (len(c.Namespace) > 63 || c.Namespace == "") {
			t.Errorf("accepted %q", c.Namespace)
		}
		var u spec.Update
		if err := rest.DecodeJSON([]byte(body), &u); err == nil {
			if err := u.Validate(); err == nil {
				if err := u.Apply(spec.Settings{}).Validate(); err != nil {
					t.Errorf("an accepted update makes settings that are refused: %v", err)
				}
			}
		}
	})
}
