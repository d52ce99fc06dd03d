package kubectlvsphere

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauthv1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
)

const (
	execVersion = "client.authentication.k8s.io/v1"
	// execVariable holds what kubectl tells a credential plugin.
	execVariable = "KUBERNETES_EXEC_INFO"
	// renewBefore is how long before its end a token is renewed, so that what is begun with it can end.
	renewBefore = 5 * time.Minute
)

// credential prints a token for kubectl: the one at hand, or a new one for a password.
func (o *options) credential(ctx context.Context, t *terminal) error {
	at, err := parseServer(o.server)
	if err != nil {
		return err
	}
	if o.user == "" {
		return errors.New("--vsphere-username is missing: sign in again by kubectl vsphere login --credential-plugin")
	}
	asked, err := readExecInfo(t.getenv(execVariable))
	if err != nil {
		return err
	}
	token, ends, ok := (cache{}).read(at.host, o.user)
	if !ok || time.Until(ends) < renewBefore {
		if token, ends, err = o.renew(ctx, t, at, asked); err != nil {
			return err
		}
	}
	return json.NewEncoder(t.out).Encode(clientauthv1.ExecCredential{
		TypeMeta: metav1.TypeMeta{APIVersion: execVersion, Kind: "ExecCredential"},
		Status:   &clientauthv1.ExecCredentialStatus{Token: token, ExpirationTimestamp: &metav1.Time{Time: ends}},
	})
}

// renew signs in again. The server is believed as kubectl believes the cluster.
func (o *options) renew(ctx context.Context, t *terminal, at address, asked clientauthv1.ExecCredentialSpec) (string, time.Time, error) {
	if !asked.Interactive && t.getenv(passwordVariable) == "" {
		return "", time.Time{}, fmt.Errorf("the token for %s at %s has run out: set %s, or sign in again by kubectl vsphere login", o.user, at.host, passwordVariable)
	}
	var pinned []byte
	if cluster := asked.Cluster; cluster != nil {
		pinned, o.insecure = cluster.CertificateAuthorityData, o.insecure || cluster.InsecureSkipTLSVerify
	}
	if t.interactive && t.getenv(passwordVariable) == "" {
		fmt.Fprintf(t.err, "Sign in as %s at %s.\n", o.user, at.host)
	}
	server, _, err := o.connect(ctx, t, at, pinned)
	if err != nil {
		return "", time.Time{}, err
	}
	session, err := server.login(ctx, "", "")
	if err != nil {
		return "", time.Time{}, explain(err, at)
	}
	ends, err := expiry(session.Token)
	if err != nil {
		return "", time.Time{}, err
	}
	// A token that cannot be kept can be used.
	if err := (cache{}).write(at.host, o.user, session.Token); err != nil {
		fmt.Fprintln(t.err, "Warning: the token is not kept:", err)
	}
	return session.Token, ends, nil
}

// readExecInfo reads what kubectl says of the cluster and of itself; nothing if somebody else calls.
func readExecInfo(text string) (clientauthv1.ExecCredentialSpec, error) {
	if text == "" {
		return clientauthv1.ExecCredentialSpec{Interactive: true}, nil
	}
	var info clientauthv1.ExecCredential
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		return info.Spec, fmt.Errorf("%s: %w", execVariable, err)
	}
	if info.APIVersion != execVersion {
		return info.Spec, fmt.Errorf("%s has version %s, this program speaks %s: sign in again by kubectl vsphere login", execVariable, info.APIVersion, execVersion)
	}
	return info.Spec, nil
}
