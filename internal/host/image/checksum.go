package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sumBlock is the unit in which a disk is summed up. Blocks of zeros do not count, so that the sum is the same whether
// they are holes or not: a copy of a disk has other holes than the disk.
const sumBlock = 64 << 10

var zeros [sumBlock]byte

// checksum is "sha256:<hex>" over the size of a sparse file and its blocks that are not zero, each with its offset.
func checksum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	number := func(n int64) { binary.Write(sum, binary.LittleEndian, n) }
	number(info.Size())
	block := make([]byte, sumBlock)
	for offset := int64(0); ; offset += sumBlock {
		if offset, err = nextData(f, offset); err != nil {
			if errors.Is(err, io.EOF) {
				return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
			}
			return "", fmt.Errorf("read %s: %w", path, err)
		}
		n, err := f.ReadAt(block, offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read %s: %w", path, err)
		}
		if data := block[:n]; !bytes.Equal(data, zeros[:n]) {
			number(offset)
			sum.Write(data)
		}
	}
}

// nextData is the offset of the first block at or behind offset that may have data; io.EOF behind the last one.
func nextData(f *os.File, offset int64) (int64, error) {
	at, err := unix.Seek(int(f.Fd()), offset, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return 0, io.EOF
	}
	return at &^ (sumBlock - 1), err
}

// fingerprint tells cheaply whether a file may have changed since it was summed up.
type fingerprint struct {
	inode         uint64
	size          int64
	changed       unix.Timespec
	deviceOfInode uint64
}

func fingerprintOf(path string) (fingerprint, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fingerprint{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return fingerprint{inode: st.Ino, size: st.Size, changed: st.Mtim, deviceOfInode: uint64(st.Dev)}, nil
}
