package image

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
)

func (f *fixture) pullAs(ctx context.Context, ref, digest string, keys ...string) error {
	j, err := newJob(&hostv1.PullRequest{Reference: ref, Digest: digest, AccessKeys: keys})
	if err != nil {
		return err
	}
	_, err = f.ensure(ctx, j, quiet)
	return err
}

func (f *fixture) mayUse(t *testing.T, ref string, keys ...string) bool {
	t.Helper()
	_, err := f.Get(t.Context(), &hostv1.GetImageRequest{Reference: ref, VerifyAccess: true, AccessKeys: keys})
	switch status.Code(err) {
	case codes.OK:
		return true
	case codes.PermissionDenied:
		return false
	}
	t.Fatal(err)
	return false
}

func TestAccess(t *testing.T) {
	f := newFixture(t)
	f.machines.fetcher = fetches(digest("a"), digest("1"))
	pull := func(ref, d string, keys ...string) {
		t.Helper()
		if err := f.pullAs(t.Context(), ref, d, keys...); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want bool, ref string, keys ...string) {
		t.Helper()
		if got := f.mayUse(t, ref, keys...); got != want {
			t.Errorf("%s with %q: %v", ref, keys, got)
		}
	}
	pull("private/x:1", "", "hash:1", "secret:a")
	f.restart(t)
	expect(false, "private/x:1")
	expect(false, "private/x:1", "hash:2")
	expect(false, "private/x@"+digest("1"), "hash:2")
	expect(true, "private/x:1", "secret:a")
	expect(true, "private/x@"+digest("a"), "hash:1")

	// A secret that was renewed: one key of it is known, so the other is good from now on.
	expect(true, "private/x:1", "secret:a", "hash:3")
	expect(true, "private/x:1", "hash:3")

	// A pull without the digest that the registry gave for the credentials goes to the registry.
	before := f.machines.created
	pull("private/x:1", "", "hash:4")
	if f.machines.created != before+1 {
		t.Error("strange credentials were not tried at the registry")
	}
	expect(true, "private/x:1", "hash:4")
	pull("private/x:1", digest("1"), "hash:5")
	if f.machines.created != before+1 {
		t.Error("an image was pulled again whose digest the caller had from the registry")
	}
	expect(true, "private/x:1", "hash:5")

	// The same image by a public repository is everybody's there, and there only.
	pull("public/x:1", digest("1"))
	expect(true, "public/x:1")
	expect(false, "private/x:1")

	// Without a list it came to the host in another way.
	if !(record{}).allows("any", nil) {
		t.Error("a preloaded image is refused")
	}
	// The spherelet asks for images that the image controller has allowed.
	if _, err := f.Get(t.Context(), &hostv1.GetImageRequest{Reference: "private/x:1"}); err != nil {
		t.Error(err)
	}
}
