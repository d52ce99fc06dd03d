package process

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Record of a daemon's process. It is written by the process itself before it becomes the daemon, so there is no moment
// at which the daemon runs and nobody knows.
type Record struct {
	ID
	// BootID tells a record of this boot from one of an earlier, where /run is on disk.
	BootID string `json:"bootID"`
	// Command is the command line, program first.
	Command []string `json:"command"`
	// Build tells one build of the program from the next.
	Build string `json:"build"`
}

// Records is a directory of them.
type Records struct{ Dir string }

func (r Records) file(name string) string { return filepath.Join(r.Dir, name+".json") }

// Running returns the record of the live process of this name.
func (r Records) Running(name string) (Record, bool) {
	rec, err := r.read(name)
	if err != nil || rec.BootID != bootID() || !rec.Alive() {
		return Record{}, false
	}
	return rec, true
}

func (r Records) read(name string) (Record, error) {
	data, err := os.ReadFile(r.file(name))
	if err != nil {
		return Record{}, err
	}
	var rec Record
	return rec, json.Unmarshal(data, &rec)
}

// Since tells when the process of this name recorded itself; zero when there is no record.
func (r Records) Since(name string) time.Time {
	info, err := os.Stat(r.file(name))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Names of all records, running or not.
func (r Records) Names() ([]string, error) {
	entries, err := os.ReadDir(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), ".json"); ok {
			names = append(names, name)
		}
	}
	return names, err
}

// ErrRunning says that a process of the name runs already.
var ErrRunning = errors.New("runs already")

// Become records the calling process as name, running command, and is meant to be followed by exec of the command. It
// fails with [ErrRunning] when a live process has the name: of two that try at once, one becomes the daemon.
func (r Records) Become(name string, command []string) error {
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(r.Dir, name+".lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock record of %s: %w", name, err)
	}
	if rec, ok := r.Running(name); ok && rec.PID != os.Getpid() {
		return fmt.Errorf("%s: %w as process %d", name, ErrRunning, rec.PID)
	}
	self, ok := Find(os.Getpid())
	if !ok {
		return errors.New("/proc does not show this process")
	}
	data, err := json.Marshal(Record{ID: self, BootID: bootID(), Command: command, Build: Build(command[0])})
	if err != nil {
		return err
	}
	return renameio.WriteFile(r.file(name), data, 0o600)
}

// Forget deletes the record of a process that has ended.
func (r Records) Forget(name string) error {
	return errors.Join(removeIfThere(r.file(name)), removeIfThere(filepath.Join(r.Dir, name+".lock")))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Build identifies the program file as it is now. For a Go program that is its build ID, since building what is up to
// date still touches the file; for others size and time.
func Build(program string) string {
	if id := goBuildID(program); id != "" {
		return id
	}
	info, err := os.Stat(program)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d-%d", info.Size(), info.ModTime().UnixNano())
}

func goBuildID(program string) string {
	file, err := elf.Open(program)
	if err != nil {
		return ""
	}
	defer file.Close()
	note := file.Section(".note.go.buildid")
	if note == nil {
		return ""
	}
	data, err := note.Data()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func bootID() string {
	data, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
}
