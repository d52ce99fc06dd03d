package daemon

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	listener, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	takeNotifySocket()
	defer func() { notifySocket = "" }()
	if left := os.Getenv("NOTIFY_SOCKET"); left != "" {
		t.Errorf("libraries still see %s", left)
	}
	Status("waiting for etcd")
	Ready()
	for _, want := range []string{"STATUS=waiting for etcd", "READY=1"} {
		got := make([]byte, 100)
		n, err := listener.Read(got)
		if err != nil || string(got[:n]) != want {
			t.Errorf("got %q, %v; want %q", got[:n], err, want)
		}
	}
}

func TestNotifyNobody(t *testing.T) {
	takeNotifySocket()
	Ready()
}
