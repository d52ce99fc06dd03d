//go:build e2e

package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"pacific/internal/supervisor/pki"
)

// user is somebody's machine with kubectl and the plugin; `make bin/kubectl bin/kubectl-vsphere` builds both.
type user struct {
	t    *testing.T
	home string
}

// kubectl runs a command line and returns what it prints on standard output.
func (u user) kubectl(arguments string) (string, error) {
	u.t.Helper()
	bin, err := filepath.Abs(filepath.Dir(binary))
	if err != nil {
		u.t.Fatal(err)
	}
	command := exec.Command(filepath.Join(bin, "kubectl"), strings.Fields(arguments)...)
	command.Env = []string{"PATH=" + bin, "HOME=" + u.home, "KUBECTL_VSPHERE_PASSWORD=" + devPassword}
	var errors strings.Builder
	command.Stderr = &errors
	output, err := command.Output()
	if err != nil {
		u.t.Logf("kubectl %s: %v: %s", arguments, err, &errors)
	}
	return string(output), err
}

func (u user) must(arguments string) string {
	u.t.Helper()
	output, err := u.kubectl(arguments)
	if err != nil {
		u.t.Fatalf("kubectl %s: %v", arguments, err)
	}
	return output
}

// testPlugin is what a developer does on the first day.
func (s *instance) testPlugin(t *testing.T, ctx context.Context, admin kubernetes.Interface) {
	_, err := admin.RbacV1().RoleBindings("team-a").Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "dev1"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "sso:dev1@pacific.local"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(s.layout().Cert(pki.CA))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(authority)
	sum := sha256.Sum256(block.Bytes)
	u := user{t: t, home: t.TempDir()}
	login := "vsphere login --server " + s.address + " --vsphere-username dev1@pacific.local"
	if _, err := u.kubectl(login); err == nil {
		t.Error("believes a server that it does not know")
	}
	login += " --ca-sha256 " + hex.EncodeToString(sum[:])
	for _, plugin := range []string{"", " --credential-plugin"} {
		u.must(login + plugin)
		if got := u.must("config get-contexts -o name"); got != s.address+"\nteam-a\n" {
			t.Errorf("contexts: got %q", got)
		}
		u.must("config use-context team-a")
		eventually(t, ctx, func() bool {
			answer, _ := u.kubectl("auth can-i create pods")
			return answer == "yes\n"
		})
		if got := strings.TrimSpace(u.must("auth whoami -o jsonpath={.status.userInfo.username}")); got != "sso:dev1@pacific.local" {
			t.Errorf("is %q", got)
		}
		if answer, _ := u.kubectl("auth can-i create pods -n kube-system"); answer != "no\n" {
			t.Errorf("in kube-system: got %q", answer)
		}
		u.must("vsphere logout")
		if got := u.must("config get-contexts -o name"); got != "" {
			t.Errorf("contexts after the logout: got %q", got)
		}
	}
	_ = filepath.WalkDir(u.home, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && (strings.Contains(string(data), devPassword) || strings.Contains(string(data), "eyJ")) {
			t.Errorf("%s holds a secret after the logout", path)
		}
		return err
	})
}
