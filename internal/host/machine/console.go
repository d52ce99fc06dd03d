package machine

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// The console of an appliance is a file, since its program logs there for as long as it runs. A start begins a new one; what was before
// is kept beside it.
const (
	maxConsole     = 8 << 20
	consoleLook    = 10 * time.Second // a serial port writes less than maxConsole meanwhile
	olderConsole   = ".1"
	consoleTailLen = 64 << 10
)

func openConsole(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Rename(path, path+olderConsole); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// boundConsole keeps the file small until gone is closed. The VMM has it open for appending, so what is cut off is copied first.
func boundConsole(path string, gone <-chan struct{}) {
	look := time.NewTicker(consoleLook)
	defer look.Stop()
	for {
		select {
		case <-gone:
			return
		case <-look.C:
		}
		if err := cutConsole(path); err != nil {
			slog.Warn("cannot bound the console", "file", path, "err", err)
		}
	}
}

func cutConsole(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() < maxConsole {
		return nil
	}
	if err != nil {
		return err
	}
	from, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path+olderConsole, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer to.Close()
	// Never more than twice the bound, however fast it was written.
	if over := info.Size() - 2*maxConsole; over > 0 {
		if _, err := from.Seek(over, io.SeekStart); err != nil {
			return err
		}
	}
	if _, err := io.Copy(to, io.LimitReader(from, 2*maxConsole)); err != nil {
		return err
	}
	return from.Truncate(0)
}

// consoleTail is the end of the file.
func consoleTail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > consoleTailLen {
		_, _ = file.Seek(-consoleTailLen, io.SeekEnd)
	}
	text, _ := io.ReadAll(file)
	return string(text)
}
