package image

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// reference is the name of an image, normalised: registry, repository and tag or digest are all there.
type reference struct {
	registry   string // host:port to speak to
	repository string // with the registry, as people write it
	tag        string // one of tag and digest
	digest     string
}

// parseReference reads name[:tag][@digest] as in a pod. Of a tag and a digest the digest counts.
func parseReference(text string) (reference, error) {
	parsed, err := name.ParseReference(text)
	if err != nil {
		return reference{}, err
	}
	repository := parsed.Context()
	r := reference{registry: repository.RegistryStr(), repository: friendly(repository.Name())}
	if _, ok := parsed.(name.Digest); ok {
		r.digest = parsed.Identifier()
		return r, checkDigest(r.digest)
	}
	r.tag = parsed.Identifier()
	return r, nil
}

// friendly writes Docker Hub as everybody does.
func friendly(repository string) string {
	if rest, ok := strings.CutPrefix(repository, name.DefaultRegistry+"/"); ok {
		return "docker.io/" + rest
	}
	return repository
}

func (r reference) String() string {
	if r.digest != "" {
		return r.at(r.digest)
	}
	return r.repository + ":" + r.tag
}

// at is the reference of a digest in the same repository.
func (r reference) at(digest string) string { return r.repository + "@" + digest }

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// checkDigest keeps what becomes the name of a directory from being anything else.
func checkDigest(digest string) error {
	if !digestPattern.MatchString(digest) {
		return fmt.Errorf("digest %q is not of the form sha256:<64 hex digits>", digest)
	}
	return nil
}
