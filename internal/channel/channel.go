// Package channel is the personality channel of a CRX: yamux over one virtio-serial port.
//
// The host's end is a unix socket that the VMM listens on; the guest's end is a character device. Either end can go
// away at any time and come back: the host because a daemon was killed, the guest because it was restarted. Neither a
// virtio-serial port nor the VMM clears what is under way when that happens, so every connection begins with a
// handshake that finds the start of the new conversation in whatever is left of the old one:
//
//	host  -> guest   "\nPACIFIC-HELLO <32 hex digits>\n"
//	guest -> host    "\nPACIFIC-READY <the same digits>\n"
//
// The guest throws away what is before a HELLO, and of several HELLOs answers each; the host throws away what is before
// the READY with its own digits. Then yamux starts, the host as its client. A guest that sees the port hang up, or bytes
// that are not yamux, drops the session and waits for the next HELLO.
//
// A HELLO is a HELLO wherever it stands, in the middle of a yamux frame too, since the host before may have died there. So
// that data never looks like one, the host writes a backslash after each "\nPACIFIC-HELLO " in what yamux sends, and the
// guest takes it out again. The VMM keeps a HELLO until the guest opens the port: the host just waits for the READY, also
// while the guest boots, and sends nothing twice.
//
// Each yamux stream begins with one line of JSON, a Header, written by the end that opens it.
package channel

// Header is the first line of every stream.
type Header struct {
	Kind Kind `json:"kind"`
	// Session and Stream ("stdin", "stdout", "stderr") for KindSession.
	Session string `json:"session,omitempty"`
	Stream  string `json:"stream,omitempty"`
	// Port of the pod for KindPort.
	Port int32 `json:"port,omitempty"`
	// Log for KindLog.
	Log *LogRequest `json:"log,omitempty"`
	// Address ("host:port") for KindDial.
	Address string `json:"address,omitempty"`
	// Layer for KindLayer.
	Layer *LayerRequest `json:"layer,omitempty"`
}

// Kind of a stream.
type Kind string

const (
	// KindRPC carries ttrpc; opened by the host.
	KindRPC Kind = "rpc"
	// KindSession carries one stdio stream of an exec or attach session; opened by the host. The guest closes an output
	// stream when it is complete; the host closes stdin for EOF.
	KindSession Kind = "session"
	// KindPort carries a connection to a port on the pod's loopback; opened by the host.
	KindPort Kind = "port"
	// KindLog carries a container's log in the CRI log format; opened by the host. The guest closes it at the end.
	KindLog Kind = "log"
	// KindDial carries a TCP connection that the host makes for the guest; opened by the guest. The host first writes one
	// line of JSON, a DialResult.
	KindDial Kind = "dial"
	// KindLayer goes through a layer of an image with the host, which keeps layers and computes their digests; opened by the
	// guest. The host writes a LayerReply and the bytes that it has; the guest writes the others; the host writes a Sum.
	KindLayer Kind = "layer"
	// KindSum has the host compute a digest, which an emulated processor does slowly; opened by the guest. The guest writes
	// the bytes and the end of the stream; the host writes a Sum.
	KindSum Kind = "sum"
)

// LayerRequest names a layer of the image that is pulled, as the manifest does.
type LayerRequest struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// LayerReply tells how many bytes of the layer the host has and sends next. With an error the stream ends.
type LayerReply struct {
	Have  int64  `json:"have"`
	Error string `json:"error,omitempty"`
}

// Sum is the digest of all that went through a stream, "sha256:<hex>".
type Sum struct {
	Digest string `json:"digest"`
}

// LogRequest selects lines of a container's log.
type LogRequest struct {
	Container string `json:"container"`
	// Attempt is the container's restart count when the wanted instance ran.
	Attempt uint32 `json:"attempt"`
	Follow  bool   `json:"follow,omitempty"`
	// TailLines from the end; -1 for all.
	TailLines int64 `json:"tailLines"`
	// SinceUnixNanos leaves out older lines; 0 for all.
	SinceUnixNanos int64 `json:"sinceUnixNanos,omitempty"`
}

// DialResult is the host's answer on a stream of KindDial. Error is empty when the connection stands.
type DialResult struct {
	Error string `json:"error,omitempty"`
}
