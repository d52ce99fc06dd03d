package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/ociclient"
	"pacific/internal/registryconfig"
)

// resolveTimeout bounds the question to a registry which digest a tag has.
const resolveTimeout = time.Minute

// pullError is a failure with the kubelet's reason; an empty reason says that the host could not be asked.
type pullError struct {
	reason  string
	message string
}

func (e *pullError) Error() string { return e.message }

func reasonOf(err error) string {
	var classed *pullError
	if errors.As(err, &classed) {
		return classed.reason
	}
	return reasonPull
}

// ensure makes the host have the image that a container wants, by its pull policy, and returns the digest.
func (c *Controller) ensure(ctx context.Context, p *corev1.Pod, want container) (digest string, err error) {
	conn, err := c.HostDialer(ctx, p.Spec.NodeName)
	if err != nil {
		return "", &pullError{message: err.Error()}
	}
	host := hostv1.NewImagesClient(conn)
	if want.policy != corev1.PullAlways {
		image, err := host.Get(ctx, &hostv1.GetImageRequest{Reference: want.image})
		switch {
		case err == nil:
			c.event(p, want.name, corev1.EventTypeNormal, "Pulled", fmt.Sprintf("Container image %q already present on machine", want.image))
			return image.Digest, nil
		case status.Code(err) == codes.InvalidArgument:
			return "", &pullError{reasonPull, status.Convert(err).Message()}
		case status.Code(err) != codes.NotFound:
			return "", hostTrouble(p.Spec.NodeName, err)
		}
		if want.policy == corev1.PullNever {
			message := fmt.Sprintf("Container image %q is not present with pull policy of Never", want.image)
			c.event(p, want.name, corev1.EventTypeWarning, reasonNever, message)
			return "", &pullError{reasonNever, message}
		}
	}
	return c.fetch(ctx, p, want, host)
}

// fetch pulls, with the events around it.
func (c *Controller) fetch(ctx context.Context, p *corev1.Pod, want container, host hostv1.ImagesClient) (string, error) {
	c.event(p, want.name, corev1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", want.image))
	begin := c.now()
	image, err := c.tryAll(ctx, p, want, host)
	if err != nil {
		if ctx.Err() == nil && reasonOf(err) != "" {
			c.event(p, want.name, corev1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %v", want.image, err))
		}
		return "", err
	}
	c.event(p, want.name, corev1.EventTypeNormal, "Pulled", pulledText(want.image, c.now().Sub(begin), image.SizeBytes))
	return image.Digest, nil
}

// tryAll pulls with each of the pod's credentials for the registry until one is let in.
func (c *Controller) tryAll(ctx context.Context, p *corev1.Pod, want container, host hostv1.ImagesClient) (*hostv1.Image, error) {
	credentials, err := c.credentials(ctx, p, want.image)
	if err != nil {
		return nil, err
	}
	var firstErr error
	for _, with := range credentials {
		image, err := c.try(ctx, p, want, host, with)
		if err == nil {
			return image, nil
		}
		if firstErr == nil {
			firstErr = err
		}
		if !errors.Is(err, errDenied) {
			return nil, err
		}
	}
	return nil, firstErr
}

// errDenied is in the chain of errors that other credentials may help against.
var errDenied = errors.New("denied")

type deniedError struct{ *pullError }

func (deniedError) Is(target error) bool { return target == errDenied }
func (e deniedError) Unwrap() error      { return e.pullError }

func (c *Controller) try(ctx context.Context, p *corev1.Pod, want container, host hostv1.ImagesClient, with *hostv1.RegistryCredentials) (*hostv1.Image, error) {
	req := &hostv1.PullRequest{Reference: want.image, Credentials: with}
	if want.policy == corev1.PullAlways {
		digest, err := c.resolve(ctx, want.image, with)
		if err != nil {
			return nil, registryError(err)
		}
		req.Digest = digest
	}
	stream, err := host.Pull(ctx, req)
	if err != nil {
		return nil, hostError(p.Spec.NodeName, err)
	}
	for {
		progress, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil, hostTrouble(p.Spec.NodeName, errors.New("the pull ended without an image"))
		case err != nil:
			return nil, hostError(p.Spec.NodeName, err)
		case progress.Image != nil:
			return progress.Image, nil
		}
	}
}

// hostError tells what the image service says about an image from what happened to the host itself.
func hostError(node string, err error) error {
	s := status.Convert(err)
	aboutImage := false
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Domain == hostv1.ImageErrorDomain {
			aboutImage = true
		}
	}
	switch {
	case s.Code() == codes.Unauthenticated || aboutImage && s.Code() == codes.PermissionDenied:
		return deniedError{&pullError{reasonPull, s.Message()}}
	case !aboutImage && (s.Code() == codes.Unavailable || s.Code() == codes.Canceled || s.Code() == codes.DeadlineExceeded):
		return hostTrouble(node, err)
	}
	return &pullError{reasonPull, s.Message()}
}

func hostTrouble(node string, err error) error {
	return &pullError{message: fmt.Sprintf("hostd of node %s: %s", node, status.Convert(err).Message())}
}

func registryError(err error) error {
	var answer *transport.Error
	if errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden) {
		return deniedError{&pullError{reasonPull, err.Error()}}
	}
	return &pullError{reasonPull, err.Error()}
}

// resolve asks the registry, or a mirror of it, which digest a tag has.
func (c *Controller) resolve(ctx context.Context, image string, with *hostv1.RegistryCredentials) (string, error) {
	ref, err := name.ParseReference(image)
	if err != nil {
		return "", err
	}
	if digest, ok := ref.(name.Digest); ok {
		return digest.DigestStr(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	config, err := registryconfig.Read(c.RegistryConfigDir, ref.Context().RegistryStr())
	if err != nil {
		return "", err
	}
	base, err := ociclient.Transport((&net.Dialer{Timeout: 10 * time.Second}).DialContext, config.CA)
	if err != nil {
		return "", err
	}
	defer base.CloseIdleConnections()
	registry := ociclient.Endpoint{Host: ref.Context().RegistryStr(), PlainHTTP: config.PlainHTTP, Auth: authenticator(with)}
	for _, endpoint := range ociclient.Endpoints(registry, config.Mirrors) {
		var repository *ociclient.Repository
		if repository, err = ociclient.Connect(ctx, endpoint, ref.Context().RepositoryStr(), base); err != nil {
			continue
		}
		var digest string
		if digest, err = repository.Resolve(ctx, ref.Identifier()); err == nil {
			return digest, nil
		}
	}
	return "", err
}

func authenticator(with *hostv1.RegistryCredentials) authn.Authenticator {
	return ociclient.Credentials(with.GetUsername(), with.GetPassword(), with.GetIdentityToken(), with.GetRegistryToken())
}
