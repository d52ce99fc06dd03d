// Package crx knows what is inside a CRX: the kernel, the initial root file system with PID 1 and a personality, and the
// channel to PID 1. How it is run is the business of packages machine and vmm.
package crx

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"

	"pacific/api/crx"
)

// Guest is the guest directory: kernel, PID 1, personalities.
type Guest struct {
	dir string
	mu  sync.Mutex
	// sums remembers the hash of each file for as long as the file does not change.
	sums map[string]sum
	// version of the kernel with this hash.
	version struct{ hash, text string }
}

type sum struct {
	inode, size, modified int64
	hash                  string
}

// OpenGuest returns the guest directory dir. Its files may come and change later.
func OpenGuest(dir string) *Guest { return &Guest{dir: dir, sums: map[string]sum{}} }

// ErrMissing says that a file of the guest directory is not there.
var ErrMissing = errors.New("guest file is missing; build the guest files or set --guest-dir")

// Kernel is the path of the CRX kernel.
func (g *Guest) Kernel() string { return filepath.Join(g.dir, "vmlinux") }

// KernelHash is the content hash of the kernel.
func (g *Guest) KernelHash() (string, error) { return g.hash(g.Kernel()) }

var personalityName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// personality is the path of a personality, "" for the built-in one.
func (g *Guest) personality(name string) (string, error) {
	if name == crx.PersonalityProbe {
		return "", nil
	}
	if !personalityName.MatchString(name) {
		return "", fmt.Errorf("personality %q is not of the form %s", name, personalityName)
	}
	return filepath.Join(g.dir, "personalities", name), nil
}

// Check tells whether everything for a CRX with this personality is there.
func (g *Guest) Check(personality string) error {
	file, err := g.personality(personality)
	if err != nil {
		return err
	}
	for _, path := range []string{g.Kernel(), g.init(), file} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%s: %w", path, ErrMissing)
		}
	}
	return nil
}

// Modular tells whether the kernel has modules. Such a kernel, a distribution's, finds its devices by ACPI only.
func (g *Guest) Modular() bool { return g.modules() != "" }

// modules is the directory of kernel modules, "" when there is none.
func (g *Guest) modules() string {
	dir := filepath.Join(g.dir, "modules")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}

func (g *Guest) init() string { return filepath.Join(g.dir, "crx-init") }

// hash of a file's content, remembered by inode, size and time of change.
func (g *Guest) hash(path string) (string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: %w", path, ErrMissing)
	}
	if err != nil {
		return "", err
	}
	now := sum{size: info.Size(), modified: info.ModTime().UnixNano(), inode: int64(info.Sys().(*syscall.Stat_t).Ino)}
	g.mu.Lock()
	defer g.mu.Unlock()
	known := g.sums[path]
	if now.hash = known.hash; known == now && known.hash != "" {
		return known.hash, nil
	}
	if now.hash, err = hashFile(path); err != nil {
		return "", err
	}
	g.sums[path] = now
	return now.hash, nil
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

var banner = regexp.MustCompile(`Linux version (\S+) \(`)

// KernelVersion reads the version, e.g. "6.1.170-crx", from the banner in the kernel image.
func (g *Guest) KernelVersion() (string, error) {
	hash, err := g.KernelHash()
	if err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.version.hash == hash {
		return g.version.text, nil
	}
	image, err := os.ReadFile(g.Kernel())
	if err != nil {
		return "", err
	}
	text, ok := findVersion(image)
	if !ok {
		return "", fmt.Errorf("%s has no version", g.Kernel())
	}
	g.version.hash, g.version.text = hash, text
	return text, nil
}

// findVersion looks for the banner. The format string that the kernel holds too does not name a version.
func findVersion(image []byte) (string, bool) {
	mark := []byte("Linux version ")
	for {
		at := bytes.Index(image, mark)
		if at < 0 {
			return "", false
		}
		line := image[at:min(at+200, len(image))]
		if match := banner.FindSubmatch(line); match != nil && !bytes.Contains(match[1], []byte("%")) {
			return string(match[1]), true
		}
		image = image[at+len(mark):]
	}
}
