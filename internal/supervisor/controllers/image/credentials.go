package image

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/util/parsers"

	hostv1 "pacific/api/host/v1"
)

// login is one way to be let in by a registry.
type login struct {
	credentials *hostv1.RegistryCredentials
	// keys tell the host whose credentials these are, as the kubelet does: their hash, and which secret they are from. None
	// for no credentials: what anybody gets may be anybody's.
	keys []string
}

// keysOf are the keys of all logins.
func keysOf(logins []login) (keys []string) {
	for _, l := range logins {
		keys = append(keys, l.keys...)
	}
	return keys
}

// logins are made of the pod's pull secrets that are for the image's registry, the best first, as the kubelet finds them;
// one without credentials if there are none. Secrets are read when they are needed and not kept.
func (c *Controller) logins(ctx context.Context, p *corev1.Pod, image string) ([]login, error) {
	repository, _, _, err := parsers.ParseImageName(image)
	if err != nil {
		return nil, &pullError{reasonBadName, err.Error()}
	}
	pullSecrets, err := c.pullSecrets(ctx, p)
	if err != nil {
		return nil, err
	}
	keyring, err := secrets.MakeDockerKeyring(pullSecrets, &credentialprovider.BasicDockerKeyring{})
	if err != nil {
		return nil, fmt.Errorf("image pull secrets: %w", err)
	}
	found, _ := keyring.Lookup(repository)
	if len(found) == 0 {
		return []login{{credentials: &hostv1.RegistryCredentials{}}}, nil
	}
	var all []login
	for _, f := range found {
		all = append(all, login{keys: accessKeys(f), credentials: &hostv1.RegistryCredentials{
			Username: f.Username, Password: f.Password, IdentityToken: f.IdentityToken, RegistryToken: f.RegistryToken,
		}})
	}
	return all, nil
}

func accessKeys(c credentialprovider.TrackedAuthConfig) []string {
	keys := []string{"hash:" + c.AuthConfigHash}
	if c.Source != nil && c.Source.Secret != nil {
		s := c.Source.Secret
		keys = append(keys, fmt.Sprintf("secret:%s/%s/%s", s.Namespace, s.Name, s.UID))
	}
	return keys
}

// pullSecrets reads the secrets that a pod names. One that is not there is told and left out, since the image may be had
// without it.
func (c *Controller) pullSecrets(ctx context.Context, p *corev1.Pod) ([]corev1.Secret, error) {
	var found []corev1.Secret
	var missing []string
	for _, ref := range p.Spec.ImagePullSecrets {
		if ref.Name == "" {
			continue // an old API server let it through
		}
		secret, err := c.Client.CoreV1().Secrets(p.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			missing = append(missing, ref.Name)
		case err != nil:
			return nil, &pullError{message: fmt.Sprintf("image pull secret %s: %v", ref.Name, err)}
		default:
			found = append(found, *secret)
		}
	}
	if len(missing) > 0 {
		c.Recorder.Eventf(p, corev1.EventTypeWarning, "FailedToRetrieveImagePullSecret",
			"Unable to retrieve some image pull secrets (%s); attempting to pull the image may not succeed.", strings.Join(missing, ", "))
	}
	return found, nil
}
