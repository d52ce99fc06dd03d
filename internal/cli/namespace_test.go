package cli

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/spf13/pflag"
	"k8s.io/utils/ptr"

	"pacific/internal/center/client"
	"pacific/internal/center/namespaces/spec"
)

func TestSettingFlags(t *testing.T) {
	before := spec.Settings{Description: "d", Resources: spec.Resources{CPULimit: ptr.To[int64](1), Pods: ptr.To[int64](2)}}
	for _, test := range []struct {
		args    string
		want    string
		problem string
	}{
		{"--cpu-limit 1000", `{"cpu_limit":1000,"pod_count":2}`, ""},
		{"--cpu-limit none --limit pod_count=none", `{}`, ""},
		{"--limit job_count=7 --memory-reservation 64", `{"cpu_limit":1,"pod_count":2,"job_count":7,"memory_reservation":64}`, ""},
		{"--cpu-limit much", "", "FIELD=NUMBER"},
		{"--limit pods=1", "", `"pods"`},
		{"--storage gold=x", "", "POLICY=MiB"},
	} {
		var flags settingFlags
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		flags.add(set)
		if err := set.Parse(strings.Fields(test.args)); err != nil {
			t.Fatal(err)
		}
		settings := before
		changed, err := flags.apply(&settings)
		if test.problem != "" {
			if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%s: got %v", test.args, err)
			}
			continue
		}
		got, _ := json.Marshal(settings.Resources)
		if err != nil || !changed || string(got) != test.want {
			t.Errorf("%s: got %s, %v", test.args, got, err)
		}
	}
}

func TestStorageFlag(t *testing.T) {
	got, err := storageSpecs([]string{"gold=10", "silver", ""})
	if err != nil || len(got) != 2 || *got[0].Limit != 10 || got[1].Limit != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAccessPath(t *testing.T) {
	got, err := accessPath("team-a", "group:all devs@corp.local")
	if err != nil || got != namespacesPath+"/team-a/access/corp.local/all%20devs?type=GROUP" {
		t.Errorf("got %s, %v", got, err)
	}
	for _, bad := range []string{"dev1", "@corp", "dev1@", "group:x"} {
		if _, err := accessPath("a", bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestNamespaceIsShown(t *testing.T) {
	var info namespaceInfo
	answer := `{"cluster":"domain-c1","config_status":"REMOVING","messages":[{"severity":"INFO","details":{"default_message":"waits for 1 pod: web"}}],
"stats":{"cpu_used":5},"resource_spec":{"cpu_limit":1000,"pod_count":3},"storage_specs":[{"policy":"gold","limit":7}],
"access_list":[{"subject_type":"GROUP","subject":"devs","domain":"corp.local","role":"EDIT"}]}`
	if err := json.Unmarshal([]byte(answer), &info); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
	writeNamespace(w, "team-a", info)
	_ = w.Flush()
	for _, want := range []string{"INFO: waits for 1 pod: web", "5 MHz used, limit 1000 MHz", "pod_count=3", "gold, limit 7 MiB", "group:devs@corp.local edit", "0 MiB used, no limit"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// TestDeleteWaits: it shows each reason once and ends when the namespace is gone.
func TestDeleteWaits(t *testing.T) {
	answers := []string{"waits for 2 pods", "waits for 2 pods", "waits for 1 pod", ""}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/session":
			_, _ = w.Write([]byte(`"s"`))
		case answers[0] == "":
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = w.Write([]byte(`{"config_status":"REMOVING","messages":[{"details":{"default_message":"` + answers[0] + `"}}]}`))
			answers = answers[1:]
		}
	}))
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	wait := waitFlags{wait: true, timeout: 1 << 40}
	if err := wait.until(t.Context(), &out, c, "a", gone); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "a REMOVING: waits for 2 pods\na REMOVING: waits for 1 pod\n" {
		t.Errorf("got %q", got)
	}
}
