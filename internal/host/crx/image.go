package crx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"pacific/api/crx"
	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/disk"
)

// An image is a directory of the guest directory: the root disk and a file that names its version.
const (
	imageRoot    = "root.ext4"
	imageVersion = "version"
)

var imageName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// CheckImage tells whether everything for a machine with this image is there.
func (g *Guest) CheckImage(name string) error {
	if !imageName.MatchString(name) {
		return fmt.Errorf("image %q is not of the form %s", name, imageName)
	}
	if err := g.Check(crx.PersonalityAppliance); err != nil {
		return err
	}
	if _, err := os.Stat(g.imageFile(name, imageRoot)); err != nil {
		return fmt.Errorf("image %s: %s: %w", name, g.imageFile(name, imageRoot), ErrMissing)
	}
	return nil
}

func (g *Guest) imageFile(name, file string) string { return filepath.Join(g.dir, name, file) }

// ImageVersion is what the image calls itself, "" where there is none.
func (g *Guest) ImageVersion(name string) string {
	text, _ := os.ReadFile(g.imageFile(name, imageVersion))
	return strings.TrimSpace(string(text))
}

// Images lists the images of the guest directory.
func (g *Guest) Images() []*hostv1.GuestImage {
	entries, _ := os.ReadDir(g.dir)
	var images []*hostv1.GuestImage
	for _, entry := range entries {
		name := entry.Name()
		info, err := os.Stat(g.imageFile(name, imageRoot))
		if err == nil && imageName.MatchString(name) {
			images = append(images, &hostv1.GuestImage{Name: name, Version: g.ImageVersion(name), Bytes: uint64(info.Size())})
		}
	}
	return images
}

// rootDisk is before the name of an image in the id of its disk.
const rootDisk = "guest-image-"

// RootDisk is the id of an image's disk.
func RootDisk(image string) string { return rootDisk + image }

// DiskPath resolves the id of an image's disk to its file, which a build replaces as a whole; [disk.ErrNoDisk] when there is none.
func (g *Guest) DiskPath(id string) (path string, readOnly bool, err error) {
	name, ok := strings.CutPrefix(id, rootDisk)
	if !ok || !imageName.MatchString(name) {
		return "", false, fmt.Errorf("disk %s: %w", id, disk.ErrNoDisk)
	}
	path = g.imageFile(name, imageRoot)
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = disk.ErrNoDisk
		}
		return "", false, fmt.Errorf("disk %s: %w", id, err)
	}
	return path, true, nil
}
