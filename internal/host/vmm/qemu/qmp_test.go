package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fake is the VMM's end: it greets, and answers each command by handle.
func fake(t *testing.T, handle func(command string, rights int) string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qmp")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.AcceptUnix()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintln(conn, `{"QMP": {"version": {}, "capabilities": []}}`)
		serve(conn, handle)
	}()
	return path
}

func serve(conn *net.UnixConn, handle func(string, int) string) {
	data, rights := make([]byte, 4096), make([]byte, 256)
	for {
		n, rn, _, _, err := conn.ReadMsgUnix(data, rights)
		if err != nil {
			return
		}
		files := 0
		if messages, err := unix.ParseSocketControlMessage(rights[:rn]); err == nil && len(messages) > 0 {
			fds, _ := unix.ParseUnixRights(&messages[0])
			for _, fd := range fds {
				unix.Close(fd)
			}
			files = len(fds)
		}
		var request struct {
			Execute string
			ID      int
		}
		_ = json.Unmarshal(data[:n], &request)
		answer := handle(request.Execute, files)
		if answer == "" {
			return
		}
		w := bufio.NewWriter(conn)
		fmt.Fprintf(w, answer+"\n", request.ID)
		w.Flush()
	}
}

func TestClient(t *testing.T) {
	path := fake(t, func(command string, rights int) string {
		switch command {
		case "qmp_capabilities":
			return `{"return": {}, "id": %d}`
		case "add-fd":
			return fmt.Sprintf(`{"return": {"fdset-id": %d}, "id": %%d}`, rights)
		case "refused":
			return `{"error": {"class": "GenericError", "desc": "no"}, "id": %d}`
		case "eventful":
			return `{"event": "SHUTDOWN", "data": {"guest": true}}` + "\n" + `{"return": {}, "id": %d}`
		}
		return ""
	})
	events := make(chan event, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := dial(ctx, path, func(e event) { events <- e })
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		ID int `json:"fdset-id"`
	}
	if err := c.execute(ctx, "add-fd", nil, &set, os.Stdin); err != nil || set.ID != 1 {
		t.Errorf("%v: %d files came along, want 1", err, set.ID)
	}
	var refusal *CommandError
	if err := c.execute(ctx, "refused", nil, nil); !errors.As(err, &refusal) || refusal.Desc != "no" {
		t.Errorf("refusal is %v", err)
	}
	if err := c.execute(ctx, "eventful", nil, nil); err != nil {
		t.Error(err)
	}
	if e := <-events; e.Name != "SHUTDOWN" {
		t.Errorf("event %v", e)
	}
	if err := c.execute(ctx, "hang-up", nil, nil); !errors.Is(err, errLost) {
		t.Errorf("after a hang-up: %v, want %v", err, errLost)
	}
	<-c.done
	if err := c.execute(ctx, "later", nil, nil); !errors.Is(err, errLost) {
		t.Errorf("later: %v, want %v", err, errLost)
	}
}
