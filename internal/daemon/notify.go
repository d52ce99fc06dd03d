package daemon

import (
	"net"
	"os"
)

// notifySocket is where the daemon says how far it is, by the protocol of sd_notify(3); "" for nowhere.
var notifySocket string

// takeNotifySocket keeps the socket from libraries: kube-apiserver for one would say that all is ready when it is.
func takeNotifySocket() {
	notifySocket = os.Getenv("NOTIFY_SOCKET")
	os.Unsetenv("NOTIFY_SOCKET")
}

// Ready says that the daemon does its work.
func Ready() { notify("READY=1") }

// Status says what the daemon is about or waits for.
func Status(text string) { notify("STATUS=" + text) }

// notify is for whoever looks on, so that failure does not matter.
func notify(message string) {
	if notifySocket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: notifySocket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(message))
}
