package image

import (
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	hostv1 "pacific/api/host/v1"
)

// record is image.json: what the host knows of an image. It holds nothing that the host took from the image's content.
type record struct {
	Digest string `json:"digest"`
	// References by which the image was pulled, normalised, each with the time of the pull. Where two images have the
	// same one, which a crash between two writes can leave, the later time counts.
	References map[string]time.Time `json:"references"`
	Filesystem string               `json:"filesystem"`
	SizeBytes  uint64               `json:"sizeBytes"`
	Config     []byte               `json:"config"`
	PulledAt   time.Time            `json:"pulledAt"`
	// Checksum of the disk, see checksum.
	Checksum string `json:"checksum,omitempty"`
	// Access by repository, of those it was pulled from.
	Access map[string]access `json:"access,omitempty"`
}

func (r record) message() *hostv1.Image {
	return &hostv1.Image{
		Digest:     r.Digest,
		References: slices.Sorted(maps.Keys(r.References)),
		DiskId:     DiskID(r.Digest),
		Filesystem: r.Filesystem,
		SizeBytes:  r.SizeBytes,
		Config:     r.Config,
		PulledAt:   timestamppb.New(r.PulledAt),
	}
}

// withReferences is the record with references added.
func (r record) withReferences(at time.Time, references ...string) record {
	r.References = maps.Clone(r.References)
	if r.References == nil {
		r.References = map[string]time.Time{}
	}
	for _, ref := range references {
		r.References[ref] = at
	}
	return r
}

// withoutReferences is the record with references taken away; changed tells whether it had one of them.
func (r record) withoutReferences(references ...string) (_ record, changed bool) {
	kept := maps.Clone(r.References)
	for _, ref := range references {
		delete(kept, ref)
	}
	changed = len(kept) != len(r.References)
	r.References = kept
	return r, changed
}

// DiskID is the id of the read-only disk of the image with this digest.
func DiskID(digest string) string { return diskPrefix + hexOf(digest) }

const diskPrefix = "image-"

func hexOf(digest string) string { return strings.TrimPrefix(digest, "sha256:") }
