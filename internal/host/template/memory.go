package template

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// newMemory makes a file in memory of this size, for a guest.
func newMemory(size uint64) (*os.File, error) {
	fd, err := unix.MemfdCreate("template", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memory of a template: %w", err)
	}
	file := os.NewFile(uintptr(fd), "template")
	if err := file.Truncate(int64(size)); err != nil {
		file.Close()
		return nil, fmt.Errorf("memory of a template: %w", err)
	}
	return file, nil
}

// seal makes it read-only for all time and for everybody. Each clone's VMM holds the file open for writing, and a guest may take its
// VMM over: without the seal it could change the memory of the others.
func seal(memory *os.File) error {
	_, err := unix.FcntlInt(memory.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	if err != nil {
		return fmt.Errorf("seal the memory of a template: %w", err)
	}
	return nil
}

// allocated bytes of a file; holes do not count.
func allocated(file *os.File) uint64 {
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return 0
	}
	return uint64(stat.Blocks) * 512
}

// blockSize of copying; a block of zeros becomes a hole.
const blockSize = 64 << 10

// copySparse copies size bytes and leaves holes where there are only zeros.
func copySparse(to, from *os.File, size int64) error {
	return eachBlock(from, size, func(at int64, block []byte) error {
		_, err := to.WriteAt(block, at)
		return err
	})
}

// eachBlock calls do with each block that is not all zeros, in order.
func eachBlock(from *os.File, size int64, do func(at int64, block []byte) error) error {
	block, zeros := make([]byte, blockSize), make([]byte, blockSize)
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(from.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		at = max(at, data/blockSize*blockSize)
		n, err := from.ReadAt(block[:min(blockSize, size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		if !bytes.Equal(block[:n], zeros[:n]) {
			if err := do(at, block[:n]); err != nil {
				return err
			}
		}
		at += int64(n)
	}
	return nil
}
