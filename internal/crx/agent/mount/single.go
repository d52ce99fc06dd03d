package mount

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	agentv1 "pacific/api/agent/v1"
)

// WriteSingle makes path the one file of the set. It stays the same file, so that containers which have it mounted see the
// new content; it is never empty in between.
func WriteSingle(path string, files *agentv1.Volume_Files) error {
	if len(files.GetFiles()) != 1 {
		return fmt.Errorf("it has %d files and must have one", len(files.GetFiles()))
	}
	f := files.GetFiles()[0]
	if present, err := os.ReadFile(path); err == nil && bytes.Equal(present, f.GetData()) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, mode(f, files))
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.WriteAt(f.GetData(), 0); err != nil {
		return err
	}
	if err := out.Truncate(int64(len(f.GetData()))); err != nil {
		return err
	}
	return out.Chmod(mode(f, files)) // past the umask
}
