package kubectlvsphere

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// userPrefix stands before every user that login writes.
const userPrefix = "wcp:"

const defaultAPIPort = 6443

// cluster is a Kubernetes API that somebody signed in at.
type cluster struct {
	// host names the cluster; the API is at this host and port.
	host  string
	port  int
	trust trust
}

func (c cluster) url() string { return "https://" + net.JoinHostPort(c.host, strconv.Itoa(c.port)) }

// signedIn is the result of a login.
type signedIn struct {
	cluster
	user       string
	namespaces []string
	// auth is how kubectl proves who the user is.
	auth clientcmdapi.AuthInfo
	// guest is a guest cluster by that name; nil for none.
	guest     *cluster
	guestName string
}

func userName(host, user string) string { return userPrefix + host + ":" + user }

// merge writes a login into a kubeconfig and returns the names of its contexts. The original's names: the server's, the
// namespaces', and <namespace>-<server> where another cluster's context has the namespace's.
func merge(config *clientcmdapi.Config, login signedIn) []string {
	user := userName(login.host, login.user)
	setCluster(config, login.cluster)
	config.AuthInfos[user] = login.auth.DeepCopy()
	dropStale(config, login, user)
	config.Contexts[login.host] = newContext(login.host, user, "")
	names := []string{login.host}
	for _, namespace := range slices.Sorted(slices.Values(login.namespaces)) {
		name := contextName(config, login.host, namespace)
		config.Contexts[name] = newContext(login.host, user, namespace)
		names = append(names, name)
	}
	if login.guest != nil {
		guestUser := userName(login.guest.host, login.user)
		setCluster(config, *login.guest)
		config.AuthInfos[guestUser] = login.auth.DeepCopy()
		name := contextName(config, login.guest.host, login.guestName)
		config.Contexts[name] = newContext(login.guest.host, guestUser, "")
		names = append(names, name)
		config.CurrentContext = name
	}
	if config.Contexts[config.CurrentContext] == nil {
		config.CurrentContext = login.host
	}
	return names
}

func setCluster(config *clientcmdapi.Config, c cluster) {
	entry := clientcmdapi.NewCluster()
	if old := config.Clusters[c.host]; old != nil {
		entry = old.DeepCopy() // a proxy, for instance, stays
	}
	entry.Server = c.url()
	entry.CertificateAuthority = ""
	entry.CertificateAuthorityData = c.trust.authority
	entry.InsecureSkipTLSVerify = c.trust.insecure
	config.Clusters[c.host] = entry
}

func newContext(cluster, user, namespace string) *clientcmdapi.Context {
	context := clientcmdapi.NewContext()
	context.Cluster, context.AuthInfo, context.Namespace = cluster, user, namespace
	return context
}

// contextName is the plain name, unless somebody else has it.
func contextName(config *clientcmdapi.Config, host, name string) string {
	if taken := config.Contexts[name]; taken != nil && taken.Cluster != host {
		return name + "-" + host
	}
	return name
}

// dropStale removes contexts that an earlier login wrote for namespaces which the user may not use any more. Contexts that have
// other names were made by somebody else.
func dropStale(config *clientcmdapi.Config, login signedIn, user string) {
	for name, context := range maps.Clone(config.Contexts) {
		ours := context.Cluster == login.host && context.AuthInfo == user && context.Namespace != "" &&
			(name == context.Namespace || name == context.Namespace+"-"+login.host)
		if ours && !slices.Contains(login.namespaces, context.Namespace) {
			delete(config.Contexts, name)
		}
	}
}

// purge removes what logins wrote, besides the clusters. It tells whether that changed the current context.
func purge(config *clientcmdapi.Config) (unset bool) {
	maps.DeleteFunc(config.AuthInfos, func(name string, _ *clientcmdapi.AuthInfo) bool { return strings.HasPrefix(name, userPrefix) })
	maps.DeleteFunc(config.Contexts, func(_ string, c *clientcmdapi.Context) bool { return strings.HasPrefix(c.AuthInfo, userPrefix) })
	if config.CurrentContext != "" && config.Contexts[config.CurrentContext] == nil {
		config.CurrentContext = ""
		return true
	}
	return false
}
