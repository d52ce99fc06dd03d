package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// MaxContent is what a disk may begin with: a configuration, no more.
const MaxContent = 1 << 20

// addContent takes the content into the description, so that the same disk with another content is another disk.
func (d *description) addContent(content []byte) error {
	switch {
	case len(content) == 0:
		return nil
	case d.Filesystem != "":
		return status.Errorf(codes.InvalidArgument, "disk %s: content is for a disk without file system", d.ID)
	case len(content) > MaxContent:
		return status.Errorf(codes.InvalidArgument, "disk %s: %d bytes of content; at most %d are possible", d.ID, len(content), MaxContent)
	case uint64(len(content)) > d.SizeBytes:
		return status.Errorf(codes.InvalidArgument, "disk %s: %d bytes of content on a disk of %d", d.ID, len(content), d.SizeBytes)
	}
	sum := sha256.Sum256(content)
	d.ContentHash = hex.EncodeToString(sum[:])
	return nil
}

// begin writes the content. It is on storage before the disk has its name, unlike a blank disk's nothing.
func begin(path string, content []byte) error {
	if len(content) == 0 {
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(content, 0)
	return errors.Join(err, file.Sync(), file.Close())
}
