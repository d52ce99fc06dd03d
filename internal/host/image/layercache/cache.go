// Package layercache keeps layers of images as registries send them, so that a layer is downloaded once a host, and a
// download that was cut off, even by the end of hostd, goes on where it was.
//
//	<state-dir>/layers/<registry>/<digest hex>        a whole layer
//	<state-dir>/layers/<registry>/<digest hex>.part   the beginning of one
//
// A layer is found by its registry and digest: who is let in by one registry gets nothing that another one keeps. Files
// are never synced: a layer's digest is computed whenever it is read, and one that is not right is deleted.
package layercache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const partSuffix = ".part"

// Cache is safe for concurrent use. Make it with Open.
type Cache struct {
	dir   string
	limit func() uint64

	mu    sync.Mutex
	taken map[string]chan struct{} // by path; closed when the layer is released
}

// Open returns the cache below the state directory. limit says how many bytes it may have at the moment.
func Open(stateDir string, limit func() uint64) (*Cache, error) {
	c := &Cache{dir: filepath.Join(stateDir, "layers"), limit: limit, taken: map[string]chan struct{}{}}
	return c, os.MkdirAll(c.dir, 0o700)
}

// Layer is one layer that the caller has for himself until Release. Have bytes of it are in the file, which stands at 0.
type Layer struct {
	File *os.File
	Have int64

	cache *Cache
	path  string
	whole bool
}

// Take waits until nobody else has the layer. The layer gets no file, and what is written to it is dropped, where the
// cache has no room.
func (c *Cache) Take(ctx context.Context, registry, hex string, size int64) (*Layer, error) {
	if !filepath.IsLocal(registry) || strings.ContainsRune(registry, filepath.Separator) || !filepath.IsLocal(hex) {
		return nil, fmt.Errorf("layer %s of registry %q has no place in the cache", hex, registry)
	}
	path := filepath.Join(c.dir, registry, hex)
	if err := c.occupy(ctx, path); err != nil {
		return nil, err
	}
	l := &Layer{cache: c, path: path}
	if err := l.open(size); err != nil {
		l.Release()
		return nil, err
	}
	return l, nil
}

func (c *Cache) occupy(ctx context.Context, path string) error {
	for {
		c.mu.Lock()
		other, busy := c.taken[path]
		if !busy {
			c.taken[path] = make(chan struct{})
		}
		c.mu.Unlock()
		if !busy {
			return nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// open opens what there is of the layer.
func (l *Layer) open(size int64) (err error) {
	now := time.Now()
	if l.File, err = os.Open(l.path); err == nil {
		l.whole = true
		_ = os.Chtimes(l.path, now, now) // for the order of eviction only
		return l.measure(size)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return err
	}
	if l.File, err = os.OpenFile(l.path+partSuffix, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := l.measure(size); err != nil {
		return err
	}
	if !l.cache.makeRoom(uint64(size), uint64(l.Have)) {
		return l.drop()
	}
	return nil
}

// measure takes how much there is. A file of the wrong size is not of this layer, whose size the manifest says.
func (l *Layer) measure(size int64) error {
	info, err := l.File.Stat()
	if err != nil {
		return err
	}
	if l.Have = info.Size(); l.Have > size || l.whole && l.Have != size {
		l.Have, l.whole = 0, false
		return l.drop()
	}
	return nil
}

// drop goes on without a file.
func (l *Layer) drop() error {
	l.Have = 0
	err := errors.Join(l.File.Close(), l.remove())
	l.File = nil
	return err
}

func (l *Layer) remove() error {
	for _, path := range []string{l.path, l.path + partSuffix} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Write appends to the layer. It never fails: a layer that cannot be written is not kept.
func (l *Layer) Write(p []byte) (int, error) {
	if l.File != nil && !l.whole {
		if _, err := l.File.Write(p); err != nil {
			_ = l.drop()
		}
	}
	return len(p), nil
}

// Keep makes a layer whole whose content the caller has found to be right.
func (l *Layer) Keep() error {
	if l.File == nil || l.whole {
		return nil
	}
	l.whole = true
	return os.Rename(l.path+partSuffix, l.path)
}

// Discard deletes a layer whose content is wrong.
func (l *Layer) Discard() error { return l.remove() }

// Release lets others have the layer; what was written of it stays.
func (l *Layer) Release() {
	if l.File != nil {
		l.File.Close()
	}
	l.cache.mu.Lock()
	defer l.cache.mu.Unlock()
	close(l.cache.taken[l.path])
	delete(l.cache.taken, l.path)
}

// makeRoom tells whether a layer fits, after the longest unused ones have made room.
func (c *Cache) makeRoom(size, have uint64) bool {
	limit := c.limit()
	if size > limit/2 {
		return false
	}
	if used := c.Bytes() - min(have, c.Bytes()); used+size > limit {
		c.Evict(used + size - limit)
	}
	return true
}

// kept is one file of the cache.
type kept struct {
	path  string
	bytes uint64
	used  time.Time
}

func (c *Cache) files() (all []kept) {
	_ = filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			all = append(all, kept{path, uint64(info.Size()), info.ModTime()})
		}
		return nil
	})
	return all
}

// Bytes that the cache takes.
func (c *Cache) Bytes() (sum uint64) {
	for _, file := range c.files() {
		sum += file.bytes
	}
	return sum
}

// Evict deletes the longest unused layers until so many bytes are freed, and returns how many were. Layers that somebody
// has taken stay.
func (c *Cache) Evict(wanted uint64) (freed uint64) {
	files := c.files()
	slices.SortFunc(files, func(a, b kept) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	for _, file := range files {
		if freed >= wanted {
			break
		}
		if c.evict(file.path) {
			freed += file.bytes
		}
	}
	return freed
}

func (c *Cache) evict(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, taken := c.taken[strings.TrimSuffix(path, partSuffix)]; taken {
		return false
	}
	return os.Remove(path) == nil
}
