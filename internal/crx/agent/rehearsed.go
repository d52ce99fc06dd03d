package agent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// rehearsalFiles is a directory of the container of a rehearsal, on its own disk.
const rehearsalFiles = "/run"

// Rehearsed is the container of a rehearsal. With a directory it does what a container does when it starts and what needs a disk or a
// network: it reads a program from a disk, and listens.
func Rehearsed(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return errors.Join(rehearseFile(filepath.Join(args[0], "rehearsed")), rehearseConnection())
}

// rehearsedBytes is more than the kernel reads ahead at once.
const rehearsedBytes = 512 << 10

// rehearseFile reads a file that is on the disk and not in memory, as a mapping and by calls.
func rehearseFile(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer file.Close()
	if _, err := file.Write(make([]byte, rehearsedBytes)); err != nil {
		return err
	}
	fd := int(file.Fd())
	forget := func() error {
		return errors.Join(file.Sync(), unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED))
	}
	if err := forget(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	mapped, err := unix.Mmap(fd, 0, rehearsedBytes, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("map %s: %w", path, err)
	}
	sum := byte(0)
	for i := 0; i < len(mapped); i += os.Getpagesize() {
		sum |= mapped[i]
	}
	if err := errors.Join(unix.Munmap(mapped), forget()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	content, err := io.ReadAll(io.NewSectionReader(file, 0, rehearsedBytes))
	if err == nil && (sum != 0 || len(content) != rehearsedBytes) {
		err = fmt.Errorf("%s: what was read is not what was written", path)
	}
	return err
}

// rehearseConnection accepts a connection of its own.
func rehearseConnection() error {
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		return err
	}
	defer listener.Close()
	client, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", listener.Addr().(*net.TCPAddr).Port))
	if err != nil {
		return err
	}
	defer client.Close()
	// By a reset, so that no port is kept for a minute.
	if err := client.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	server, err := listener.Accept()
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := client.Write([]byte{0}); err != nil {
		return err
	}
	_, err = server.Read(make([]byte, 1))
	return err
}
