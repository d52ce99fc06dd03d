package kubectlvsphere

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const afterLogin = `
If the context you wish to use is not in this list, you may need to try
logging in again later, or contact your cluster administrator.

To change context, use ` + "`kubectl config use-context <workload name>`\n"

func (o *options) login(ctx context.Context, t *terminal) error {
	at, err := parseServer(o.server)
	if err != nil {
		return err
	}
	access := o.access()
	config, err := access.GetStartingConfig()
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	server, trusted, err := o.connect(ctx, t, at, pinned(config, at.host))
	if err != nil {
		return err
	}
	session, err := server.login(ctx, o.guestName, o.guestNamespace)
	if err != nil {
		return explain(err, at)
	}
	if o.guestName != "" && session.GuestServer == "" {
		return fmt.Errorf("there is no guest cluster %s that you may use: look for it by kubectl get clusters, and give --tanzu-kubernetes-cluster-namespace", o.guestName)
	}
	workloads, err := server.workloads(ctx)
	if err != nil {
		return explain(err, at)
	}
	result := signedIn{cluster: cluster{host: at.host, port: defaultAPIPort, trust: trusted}, user: server.user, auth: o.auth(at, server.user, session.Token)}
	for _, w := range workloads {
		// A token is for one Supervisor: the others have a login of their own.
		if w.MasterHost == at.host || w.MasterHost == "" || !otherSupervisor(workloads, at.host) {
			result.namespaces = append(result.namespaces, w.Namespace)
			if w.Port != 0 {
				result.port = w.Port
			}
		}
	}
	if err := result.addGuest(o, session); err != nil {
		return err
	}
	// Before the kubeconfig: from then on kubectl asks for it.
	if o.plugin {
		if err := (cache{}).write(at.host, server.user, session.Token); err != nil {
			return fmt.Errorf("keep the token: %w", err)
		}
	}
	names := merge(config, result)
	if err := clientcmd.ModifyConfig(access, *config, true); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	report(t, names)
	return nil
}

// otherSupervisor tells whether the workloads name this server at all. Where it was reached by a name, or through a forwarded
// port, they do not, and then all are taken for its own.
func otherSupervisor(workloads []workload, host string) bool {
	for _, w := range workloads {
		if w.MasterHost == host {
			return true
		}
	}
	return false
}

func (s *signedIn) addGuest(o *options, answer session) error {
	if o.guestName == "" {
		return nil
	}
	authority, err := base64.StdEncoding.DecodeString(answer.GuestCA)
	if err != nil {
		return fmt.Errorf("certificate authority of the guest cluster %s: %w", o.guestName, err)
	}
	s.guestName = o.guestName
	s.guest = &cluster{host: answer.GuestServer, port: defaultAPIPort, trust: trust{authority: authority}}
	if len(authority) == 0 || o.insecure {
		s.guest.trust = trust{insecure: o.insecure}
	}
	return nil
}

// connect decides whom to trust and asks for what is missing.
func (o *options) connect(ctx context.Context, t *terminal, at address, pinned []byte) (*supervisor, trust, error) {
	// Trust first: nobody should type a password for a server that is not believed.
	trusted, err := o.trust(ctx, t, at, pinned)
	if err != nil {
		return nil, trust{}, explain(err, at)
	}
	tlsConfig, err := trusted.tls()
	if err != nil {
		return nil, trust{}, err
	}
	user, err := t.username(o.user)
	if err != nil {
		return nil, trust{}, err
	}
	password, err := t.password()
	if err != nil {
		return nil, trust{}, err
	}
	server := &supervisor{client: httpClient(tlsConfig), at: at, user: user, password: password, trace: func(format string, args ...any) {
		if o.verbosity >= 4 {
			fmt.Fprintf(t.err, format+"\n", args...)
		}
	}}
	return server, trusted, nil
}

// explain adds what to do about a server that is not believed any more.
func explain(err error, at address) error {
	if untrusted(err) {
		return fmt.Errorf("%w: if its certificate authority was replaced, run `kubectl config delete-cluster %s` and sign in again", err, at.host)
	}
	return err
}

func (o *options) access() *clientcmd.PathOptions {
	access := clientcmd.NewDefaultPathOptions()
	if o.kubeconfig != "" {
		access.LoadingRules.ExplicitPath = o.kubeconfig
	}
	return access
}

// pinned is the authority that an earlier login wrote.
func pinned(config *clientcmdapi.Config, host string) []byte {
	entry := config.Clusters[host]
	if entry == nil {
		return nil
	}
	if len(entry.CertificateAuthorityData) == 0 && entry.CertificateAuthority != "" {
		data, _ := os.ReadFile(entry.CertificateAuthority)
		return data
	}
	return entry.CertificateAuthorityData
}

func (o *options) auth(at address, user, token string) clientcmdapi.AuthInfo {
	if !o.plugin {
		return clientcmdapi.AuthInfo{Token: token}
	}
	server := at.host
	if at.login != server && !isDefaultPort(at) {
		server = at.login
	}
	return clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
		APIVersion:         execVersion,
		Command:            "kubectl-vsphere",
		Args:               []string{"credential", "--server", server, "--vsphere-username", user},
		InstallHint:        "kubectl-vsphere is missing: get it from https://" + server + "/ and put it on the PATH",
		InteractiveMode:    clientcmdapi.IfAvailableExecInteractiveMode,
		ProvideClusterInfo: true,
	}}
}

func isDefaultPort(at address) bool {
	withDefault, err := parseServer(at.host)
	return err == nil && withDefault.login == at.login
}

func report(t *terminal, names []string) {
	fmt.Fprintln(t.out, "Logged in successfully.")
	fmt.Fprintln(t.out, "\nYou have access to the following contexts:")
	for _, name := range names {
		fmt.Fprintln(t.out, "   "+name)
	}
	fmt.Fprint(t.out, afterLogin)
}

func logout(t *terminal) error {
	access := clientcmd.NewDefaultPathOptions()
	config, err := access.GetStartingConfig()
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	unset := purge(config)
	if err := clientcmd.ModifyConfig(access, *config, true); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	if err := (cache{}).clear(); err != nil {
		return fmt.Errorf("remove tokens: %w", err)
	}
	if unset {
		fmt.Fprintln(t.out, "Your KUBECONFIG context has changed.\nThe current KUBECONFIG context is unset.")
		fmt.Fprintln(t.out, "To change context, use `kubectl config use-context <workload name>`")
		fmt.Fprintln(t.out)
	}
	fmt.Fprintln(t.out, "Logged out of all vSphere namespaces.")
	return nil
}
