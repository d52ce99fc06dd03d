package appliance

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"pacific/api/crx"
)

// notifySocket hears what the program says of itself, by the protocol of sd_notify(3): READY=1 and STATUS=text.
type notifySocket struct {
	path string
	conn *net.UnixConn
}

func listenNotify(path string, status *reporter) (*notifySocket, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listen to the program: %w", err)
	}
	n := &notifySocket{path: path, conn: conn}
	go n.listen(status)
	return n, nil
}

func (n *notifySocket) listen(status *reporter) {
	buf := make([]byte, 4096)
	for {
		size, err := n.conn.Read(buf)
		if err != nil {
			return
		}
		if stage, message := parseNotify(string(buf[:size])); stage != "" {
			status.report(stage, message)
		}
	}
}

// parseNotify is the stage that a message of the program stands for, "" for none.
func parseNotify(text string) (stage, message string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch {
		case key == "READY" && value == "1":
			stage = crx.StageReady
		case key == "STATUS":
			message = value
		}
	}
	if stage == "" && message != "" {
		stage = crx.StageStarting
	}
	return stage, message
}

func (n *notifySocket) close() { n.conn.Close() }
