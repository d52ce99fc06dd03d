package keeper

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"k8s.io/klog/v2"
)

const (
	// maxLog is the size beyond which a log is set aside. One older file is kept.
	maxLog = 32 << 20
	// trimInterval is how often the logs of running daemons are looked at.
	trimInterval = time.Minute
)

// trimLogs keeps the logs of daemons from filling the disk.
func trimLogs(running map[string]kept) {
	for _, d := range running {
		if err := trim(d.Log, maxLog); err != nil {
			klog.ErrorS(err, "Cannot trim a log", "daemon", d.Name, "log", d.Log)
		}
	}
}

// trim moves the content of a log that is larger than limit to the older file. Its daemon has it open, for appending, so the
// file itself must stay: what the daemon writes between the copy and the cut is lost.
func trim(path string, limit int64) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() <= limit {
		return err
	}
	older, err := renameio.NewPendingFile(path+".1", renameio.WithPermissions(0o640))
	if err != nil {
		return err
	}
	defer older.Cleanup()
	if _, err := io.Copy(older, file); err != nil {
		return err
	}
	if err := older.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return file.Truncate(0)
}

// OpenLog opens a daemon's log for appending and rotates it when it has grown large.
func OpenLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create log directory: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("rotate log: %w", err)
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
}
