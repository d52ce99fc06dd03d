package kubectlvsphere

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/pflag"
)

// options are what the flags say. The names are the original's, besides those about trust, --credential-plugin and --kubeconfig.
type options struct {
	server, user               string
	insecure                   bool
	authorityFile, fingerprint string
	kubeconfig                 string
	verbosity                  int

	guestName, guestNamespace string
	plugin                    bool
}

func (o *options) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.server, "server", "", "address of the Supervisor, an IP address or a name")
	flags.StringVarP(&o.user, "vsphere-username", "u", "", "user, as name@domain")
	flags.BoolVar(&o.insecure, "insecure-skip-tls-verify", false, "believe any server, now and whenever the context is used; a password given so may be stolen")
	flags.StringVar(&o.authorityFile, "certificate-authority", "", "file with the certificate authority of the Supervisor")
	flags.StringVar(&o.fingerprint, "ca-sha256", "", "SHA-256 fingerprint of the Supervisor's certificate authority, which is fetched and compared")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig to write; by default what KUBECONFIG names, or ~/.kube/config")
	flags.IntVarP(&o.verbosity, "verbose", "v", 0, "from 4 on, requests are shown; passwords and tokens never are")
}

// address is where a Supervisor is.
type address struct {
	// host without port; it names the cluster in the kubeconfig.
	host string
	// login is host:port of the login service.
	login string
}

// parseServer takes an address, a name, or a URL.
func parseServer(server string) (address, error) {
	if server == "" {
		return address{}, errors.New("--server is missing: give the address of the Supervisor")
	}
	text := server
	if !strings.Contains(text, "://") {
		if ip := net.ParseIP(text); ip != nil && ip.To4() == nil {
			text = "[" + text + "]"
		}
		text = "https://" + text
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" || strings.Trim(parsed.Path, "/") != "" || parsed.User != nil || parsed.RawQuery != "" {
		return address{}, fmt.Errorf("--server %q: give an IP address or a name, such as 10.77.0.2", server)
	}
	if parsed.Scheme != "https" {
		return address{}, fmt.Errorf("--server %q: the Supervisor speaks https only", server)
	}
	port := parsed.Port()
	if port == "" {
		port = "443"
	}
	return address{host: parsed.Hostname(), login: net.JoinHostPort(parsed.Hostname(), port)}, nil
}

// parseFingerprint takes hexadecimal digits, also as other programs write them.
func parseFingerprint(text string) (string, error) {
	digits := strings.ToLower(text)
	digits = strings.TrimPrefix(digits, "sha256:")
	digits = strings.NewReplacer(":", "", " ", "").Replace(digits)
	if len(digits) != 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", fmt.Errorf("--ca-sha256 %q: give the 64 hexadecimal digits of the fingerprint", text)
	}
	return digits, nil
}
