package kubectlvsphere

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// TestKubeconfig plays logins and logouts; `go test -rewrite` writes the files anew.
func TestKubeconfig(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		config := clientcmdapi.NewConfig()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "given":
				loaded, err := clientcmd.Load([]byte(d.Input))
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				config = loaded
				return ""
			case "login":
				return "contexts: " + strings.Join(merge(config, scripted(t, d)), " ") + "\n" + show(t, config)
			case "logout":
				unset := purge(config)
				answer := show(t, config)
				if unset {
					answer = "the current context is unset\n" + answer
				}
				return answer
			}
			d.Fatalf(t, "no command %s", d.Cmd)
			return ""
		})
	})
}

// scripted is a login of the script: host=, user=, token=, namespaces=(…), guest=<name>@<host>, insecure.
func scripted(t *testing.T, d *datadriven.TestData) signedIn {
	var host, user, token, guest string
	d.ScanArgs(t, "host", &host)
	d.ScanArgs(t, "user", &user)
	d.ScanArgs(t, "token", &token)
	if d.HasArg("guest") {
		d.ScanArgs(t, "guest", &guest)
	}
	login := signedIn{cluster: cluster{host: host, port: defaultAPIPort, trust: trust{authority: []byte("CA of " + host)}}, user: user, auth: clientcmdapi.AuthInfo{Token: token}}
	if d.HasArg("insecure") {
		login.trust = trust{insecure: true}
	}
	for _, argument := range d.CmdArgs {
		if argument.Key == "namespaces" {
			login.namespaces = argument.Vals
		}
	}
	if name, guestHost, ok := strings.Cut(guest, "@"); ok {
		login.guestName, login.guest = name, &cluster{host: guestHost, port: defaultAPIPort, trust: trust{authority: []byte("CA of " + guestHost)}}
	}
	return login
}

func show(t *testing.T, config *clientcmdapi.Config) string {
	t.Helper()
	data, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestKubeconfigOfTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	t.Setenv("KUBECONFIG", first+string(os.PathListSeparator)+second)
	// kubectl writes new entries into the first file that exists.
	if err := clientcmd.WriteToFile(*clientcmdapi.NewConfig(), first); err != nil {
		t.Fatal(err)
	}
	theirs := clientcmdapi.NewConfig()
	theirs.Clusters["theirs"] = &clientcmdapi.Cluster{Server: "https://theirs"}
	if err := clientcmd.WriteToFile(*theirs, second); err != nil {
		t.Fatal(err)
	}
	access := (&options{}).access()
	config, err := access.GetStartingConfig()
	if err != nil {
		t.Fatal(err)
	}
	merge(config, signedIn{cluster: cluster{host: "10.77.0.2", port: 6443}, user: "u@d", auth: clientcmdapi.AuthInfo{Token: "t"}})
	if err := clientcmd.ModifyConfig(access, *config, true); err != nil {
		t.Fatal(err)
	}
	written, err := clientcmd.LoadFromFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if written.Clusters["10.77.0.2"] == nil || written.Clusters["theirs"] != nil {
		t.Errorf("the first file has %v", written.Clusters)
	}
	if info, err := os.Stat(first); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
}
