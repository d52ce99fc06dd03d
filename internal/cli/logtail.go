package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	tailLines = 12
	// tailBytes bounds what is read of a large log.
	tailBytes = 32 << 10
)

// logTail names a log and shows its last lines.
func logTail(path string) string {
	lines, err := lastLines(path)
	if err != nil {
		return fmt.Sprintf("log: %s (%v)", path, err)
	}
	if len(lines) == 0 {
		return fmt.Sprintf("log: %s (empty)", path)
	}
	return fmt.Sprintf("log: %s, last lines:\n    %s", path, strings.Join(lines, "\n    "))
}

func lastLines(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	offset := max(info.Size()-tailBytes, 0)
	data, err := io.ReadAll(io.NewSectionReader(file, offset, tailBytes))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil, nil
	}
	return lines[max(len(lines)-tailLines, 0):], nil
}
