// Package hostfiles gives pods copies of a few files of the host, those that everybody may read there: a Native Pod shares no
// file system with its host, and what else hostPath volumes are for would be a way out of the pod's machine.
package hostfiles

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Hosts is the file of which a pod on the host's network has a copy in the place of its own.
const Hosts = "/etc/hosts"

// Paths are the files that pods may have.
var Paths = []string{Hosts, "/etc/resolv.conf", "/etc/localtime", "/etc/timezone", "/etc/os-release"}

// Refusal says why a pod cannot have the volume; empty if it can.
func Refusal(s *v1.HostPathVolumeSource) string {
	if !slices.Contains(Paths, path.Clean(s.Path)) {
		return fmt.Sprintf("hostPath %s: a Native Pod sees no files of the host but copies of %s; use emptyDir, configMap or secret, "+
			"or a directory below /tmp to leave files to later pods of the node", s.Path, strings.Join(Paths, ", "))
	}
	if s.Type == nil || slices.Contains([]v1.HostPathType{v1.HostPathUnset, v1.HostPathFile, v1.HostPathFileOrCreate}, *s.Type) {
		return ""
	}
	return fmt.Sprintf("hostPath %s of type %s: a Native Pod has only files of the host; use type %s", s.Path, *s.Type, v1.HostPathFile)
}

const (
	// interval at which files that pods have are looked at. A file may be replaced, or be behind a link that is: looking at
	// some small files is simpler than to follow all of that.
	interval = 10 * time.Second
	// maxSize is that of a ConfigMap: what goes to an agent in one message.
	maxSize = 1 << 20
)

// Copies reads the files and tells when one that was read has changed.
type Copies struct {
	root    string
	changed func(path string)

	mu    sync.Mutex
	given map[string][sha256.Size]byte
}

// New makes copies of the files below root ("/" but in tests).
func New(root string, changed func(path string)) *Copies {
	return &Copies{root: root, changed: changed, given: map[string][sha256.Size]byte{}}
}

// Read returns the file's content. The errors are for the pod's users.
func (c *Copies) Read(path string) ([]byte, error) {
	data, err := c.read(path)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given[path] = digest(data, err)
	return data, err
}

func (c *Copies) read(path string) ([]byte, error) {
	info, err := os.Stat(filepath.Join(c.root, path))
	switch {
	case os.IsNotExist(err):
		return nil, fmt.Errorf("hostPath type check failed: %s is not there on the host; it is made by the host's administrator only", path)
	case err != nil:
		return nil, fmt.Errorf("hostPath %s: %w", path, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("hostPath type check failed: %s is not a file", path)
	case info.Mode()&0o004 == 0:
		return nil, fmt.Errorf("hostPath %s: %w: not everybody may read it on the host", path, fs.ErrPermission)
	}
	file, err := os.Open(filepath.Join(c.root, path))
	if err != nil {
		return nil, fmt.Errorf("hostPath %s: %w", path, err)
	}
	defer file.Close()
	var out bytes.Buffer
	if n, err := io.Copy(&out, io.LimitReader(file, maxSize+1)); err != nil {
		return nil, fmt.Errorf("hostPath %s: %w", path, err)
	} else if n > maxSize {
		return nil, fmt.Errorf("hostPath %s is larger than %d bytes", path, maxSize)
	}
	return out.Bytes(), nil
}

func digest(data []byte, err error) [sha256.Size]byte {
	if err != nil {
		return sha256.Sum256([]byte("error: " + err.Error()))
	}
	return sha256.Sum256(append([]byte("data: "), data...))
}

// Run looks at the files that were read until ctx ends.
func (c *Copies) Run(ctx context.Context) {
	wait.UntilWithContext(ctx, func(context.Context) { c.look() }, interval)
}

func (c *Copies) look() {
	c.mu.Lock()
	var changed []string
	for path, have := range c.given {
		if digest(c.read(path)) != have {
			delete(c.given, path) // until it is read again
			changed = append(changed, path)
		}
	}
	c.mu.Unlock()
	for _, path := range changed {
		c.changed(path)
	}
}
