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

// reference is what to ask the host for: the exact image that was resolved first, where the pod needs that again.
func (i image) reference() string {
	if i.digest == "" {
		return i.image
	}
	if ref, err := name.ParseReference(i.image); err == nil {
		return ref.Context().Name() + "@" + i.digest
	}
	return i.image
}

// lost tells whether the host does not have an image that it had.
func (c *Controller) lost(ctx context.Context, p *corev1.Pod, look image) (bool, error) {
	conn, err := c.HostDialer(ctx, p.Spec.NodeName)
	if err != nil {
		return false, err
	}
	_, err = hostv1.NewImagesClient(conn).Get(ctx, &hostv1.GetImageRequest{Reference: look.reference()})
	if status.Code(err) == codes.NotFound {
		return true, nil
	}
	return false, err
}

// ensure makes the host have an image, by its pull policy, and returns the digest.
func (c *Controller) ensure(ctx context.Context, p *corev1.Pod, want image) (digest string, err error) {
	conn, err := c.HostDialer(ctx, p.Spec.NodeName)
	if err != nil {
		return "", &pullError{message: err.Error()}
	}
	logins, err := c.logins(ctx, p, want.image)
	if err != nil {
		return "", err
	}
	job := fetching{p: p, want: want, host: hostv1.NewImagesClient(conn), logins: logins, resolve: want.policy == corev1.PullAlways && want.digest == ""}
	if want.policy != corev1.PullAlways {
		image, err := job.host.Get(ctx, &hostv1.GetImageRequest{Reference: want.reference(), VerifyAccess: true, AccessKeys: keysOf(logins)})
		switch status.Code(err) {
		case codes.OK:
			c.event(p, want.key, corev1.EventTypeNormal, "Pulled",
				fmt.Sprintf("Container image %q already present on machine and can be accessed by the pod", want.image))
			return image.Digest, nil
		case codes.InvalidArgument:
			return "", &pullError{reasonPull, status.Convert(err).Message()}
		case codes.NotFound:
		case codes.PermissionDenied:
			// The registry has to say whether the pod's own credentials are good; then the host need not pull again.
			job.resolve = want.digest == ""
		default:
			return "", hostTrouble(p.Spec.NodeName, err)
		}
		if want.policy == corev1.PullNever {
			// The same words whether it is not there or not for this pod: what others have is nobody's business.
			message := fmt.Sprintf("Container image %q is not present with pull policy of Never", want.image)
			c.event(p, want.key, corev1.EventTypeWarning, reasonNever, message)
			return "", &pullError{reasonNever, message}
		}
	}
	return c.fetch(ctx, job)
}

// fetching is one pull.
type fetching struct {
	p      *corev1.Pod
	want   image
	host   hostv1.ImagesClient
	logins []login
	// resolve tells that the registry is asked which digest the name has, before the host is.
	resolve bool
}

// fetch pulls, with the events around it.
func (c *Controller) fetch(ctx context.Context, job fetching) (string, error) {
	want := job.want
	c.event(job.p, want.key, corev1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", want.image))
	begin := c.now()
	told := &telling{image: want.image}
	image, err := c.tryAll(ctx, job, told)
	if err != nil {
		if ctx.Err() == nil && reasonOf(err) != "" {
			c.event(job.p, want.key, corev1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %v", want.image, err))
		}
		return "", err
	}
	end := c.now()
	pulling := end.Sub(begin)
	if !told.began.IsZero() {
		pulling = end.Sub(told.began)
	}
	c.event(job.p, want.key, corev1.EventTypeNormal, "Pulled", pulledText(want.image, pulling, end.Sub(begin), image.SizeBytes))
	return image.Digest, nil
}

// tryAll pulls with each of the pod's credentials for the registry until one is let in.
func (c *Controller) tryAll(ctx context.Context, job fetching, told *telling) (*hostv1.Image, error) {
	var firstErr error
	for _, with := range job.logins {
		image, err := c.try(ctx, job, with, told)
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

func (c *Controller) try(ctx context.Context, job fetching, with login, told *telling) (*hostv1.Image, error) {
	node := job.p.Spec.NodeName
	req := &hostv1.PullRequest{Reference: job.want.reference(), Credentials: with.credentials, AccessKeys: with.keys}
	if job.resolve {
		digest, err := c.resolve(ctx, job.want.image, with.credentials)
		if err != nil {
			return nil, registryError(err)
		}
		req.Digest = digest
	}
	stream, err := job.host.Pull(ctx, req)
	if err != nil {
		return nil, hostError(node, err)
	}
	for {
		progress, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil, hostTrouble(node, errors.New("the pull ended without an image"))
		case err != nil:
			return nil, hostError(node, err)
		case progress.Image != nil:
			return progress.Image, nil
		}
		if text, tell := told.hear(c.now(), progress); tell {
			c.event(job.p, job.want.key, corev1.EventTypeNormal, "Pulling", text)
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

// resolve asks the registry, or a mirror of it, which digest a tag has. It is asked about a digest, too: that it answers
// shows that the credentials are good for it.
func (c *Controller) resolve(ctx context.Context, image string, with *hostv1.RegistryCredentials) (string, error) {
	ref, err := name.ParseReference(image)
	if err != nil {
		return "", err
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
