package appliance

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"pacific/api/seed"
)

// told is what the seed says.
type told struct{ seed.Seed }

func readSeed(ctx context.Context) (told, error) {
	path, err := device(ctx, "seed", seed.SeedLUN)
	if err != nil {
		return told{}, err
	}
	file, err := os.Open(path)
	if err != nil {
		return told{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, seed.MaxBytes))
	if err != nil {
		return told{}, fmt.Errorf("read the seed: %w", err)
	}
	s, err := seed.Decode(text)
	return told{s}, err
}

// apply sets the hostname and writes the files, in memory only.
func (t told) apply() error {
	if err := unix.Sethostname([]byte(t.Hostname)); err != nil {
		return fmt.Errorf("set hostname %s: %w", t.Hostname, err)
	}
	for path, text := range t.etc() {
		if err := write(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, f := range t.Files {
		if err := write(f.Path, f.Content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// etc are the files of /etc that the image has as links into seed.Dir.
func (t told) etc() map[string]string {
	var resolv strings.Builder
	for _, server := range t.Network.Nameservers {
		fmt.Fprintf(&resolv, "nameserver %s\n", server)
	}
	hosts := fmt.Sprintf("127.0.0.1 localhost\n::1 localhost\n%s %s\n", t.Network.Address.Addr(), t.Hostname)
	return map[string]string{
		filepath.Join(seed.Dir, "etc/resolv.conf"): resolv.String(),
		filepath.Join(seed.Dir, "etc/hosts"):       hosts,
		filepath.Join(seed.Dir, "etc/hostname"):    t.Hostname + "\n",
	}
}

func write(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, content, mode)
}
