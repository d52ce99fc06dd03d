package layercache

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func open(t *testing.T, limit uint64) *Cache {
	t.Helper()
	c, err := Open(t.TempDir(), func() uint64 { return limit })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func take(t *testing.T, c *Cache, hex string, size int64) *Layer {
	t.Helper()
	l, err := c.Take(t.Context(), "r:5000", hex, size)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// put keeps a whole layer.
func put(t *testing.T, c *Cache, hex, content string) {
	t.Helper()
	l := take(t, c, hex, int64(len(content)))
	defer l.Release()
	io.WriteString(l, content[l.Have:])
	if err := l.Keep(); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, l *Layer) string {
	t.Helper()
	if l.File == nil {
		return ""
	}
	b, err := io.ReadAll(io.LimitReader(l.File, l.Have))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWholeAndPart(t *testing.T) {
	c := open(t, 1000)
	l := take(t, c, "aa", 6)
	if l.Have != 0 {
		t.Error(l.Have)
	}
	io.WriteString(l, "abc")
	l.Release() // cut off

	l = take(t, c, "aa", 6)
	if got := content(t, l); got != "abc" {
		t.Errorf("part: %q", got)
	}
	io.WriteString(l, "def")
	if err := l.Keep(); err != nil {
		t.Fatal(err)
	}
	l.Release()

	l = take(t, c, "aa", 6)
	if got := content(t, l); got != "abcdef" {
		t.Errorf("whole: %q", got)
	}
	if err := l.Discard(); err != nil {
		t.Fatal(err)
	}
	l.Release()
	if c.Bytes() != 0 {
		t.Error("a discarded layer is left")
	}
}

// TestWrongSize: the manifest says the size; a file of another one is no use.
func TestWrongSize(t *testing.T) {
	c := open(t, 1000)
	put(t, c, "aa", "abcdef")
	l := take(t, c, "aa", 7)
	defer l.Release()
	if l.Have != 0 || c.Bytes() != 0 {
		t.Error(l.Have, c.Bytes())
	}
	if n, err := l.Write([]byte("x")); n != 1 || err != nil {
		t.Error(n, err)
	}
}

func TestTakenByOne(t *testing.T) {
	c := open(t, 1000)
	l := take(t, c, "aa", 6)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Take(ctx, "r:5000", "aa", 6); err == nil {
		t.Error("two have the same layer")
	}
	next := make(chan *Layer)
	go func() {
		l, _ := c.Take(context.Background(), "r:5000", "aa", 6)
		next <- l
	}()
	if c.Evict(1000) != 0 {
		t.Error("a taken layer was evicted")
	}
	l.Release()
	(<-next).Release()
}

func TestLimit(t *testing.T) {
	c := open(t, 10)
	old := time.Now().Add(-time.Hour)
	for _, hex := range []string{"aa", "bb"} {
		put(t, c, hex, "1234")
		if err := os.Chtimes(filepath.Join(c.dir, "r:5000", hex), old, old); err != nil {
			t.Fatal(err)
		}
		old = old.Add(time.Minute)
	}
	put(t, c, "cc", "1234")
	if _, err := os.Stat(filepath.Join(c.dir, "r:5000", "aa")); err == nil || c.Bytes() != 8 {
		t.Error("the oldest did not make room:", err, c.Bytes())
	}
	l := take(t, c, "dd", 6)
	io.WriteString(l, "123456")
	if err := l.Keep(); err != nil {
		t.Error(err)
	}
	l.Release()
	if c.Bytes() != 8 {
		t.Error("a layer larger than half of the cache is kept")
	}
}

func TestBadNames(t *testing.T) {
	c := open(t, 10)
	for _, registry := range []string{"..", "a/b", "", "/etc"} {
		if _, err := c.Take(t.Context(), registry, "aa", 1); err == nil {
			t.Errorf("%q has a place", registry)
		}
	}
}
