// Package crx is the contract between a host and PID 1 of a CRX, spoken on the virtio-serial port [InitPort]:
// one JSON object a line, in both directions. It uses nothing but the standard library, since PID 1 links it.
package crx

// Names of the virtio-serial ports of a CRX, as the guest sees them in /sys/class/virtio-ports/*/name.
const (
	// InitPort is the control channel between hostd and PID 1.
	InitPort = "pacific.init"
	// PersonalityPort is the channel of the personality; see internal/channel.
	PersonalityPort = "pacific.personality"
)

// Paths inside the initial root file system of a CRX.
const (
	InitPath        = "/init"
	PersonalityPath = "/sbin/personality"
)

// PersonalityProbe is the built-in personality that reports ready and powers off. The accelerator probe boots it.
const PersonalityProbe = "probe"

// Kernel command line parameters read by PID 1.
const (
	ParamPersonality = "crx.personality" // name of the personality; [PersonalityProbe] needs no file
	ParamHostname    = "crx.hostname"
)

// Message is one line on the init channel. Exactly one field is set.
//
// Either end may go away at any time; what is under way is then lost. PID 1 announces its state, Ready or Exited, to every
// host that connects, so a host sees Ready more than once. A host begins with an empty line: it ends what an earlier
// host left half written, and PID 1 answers it with its state even if it did not see that the host had changed.
type Message struct {
	// From PID 1.
	Ready  *Ready  `json:"ready,omitempty"`
	Exited *Exited `json:"exited,omitempty"`
	Pong   *Pong   `json:"pong,omitempty"`
	// From the host.
	PowerOff *PowerOff `json:"powerOff,omitempty"`
	Identity *Identity `json:"identity,omitempty"`
	Ping     *Ping     `json:"ping,omitempty"`
}

// Ready says that PID 1 has started the personality.
type Ready struct {
	Kernel string `json:"kernel"` // uname -r
	// UptimeMillis is the guest's uptime in milliseconds when PID 1 got control.
	UptimeMillis int64 `json:"uptimeMillis"`
}

// Exited says that the personality has ended and the machine powers off.
type Exited struct {
	ExitCode int    `json:"exitCode"`
	Signal   int    `json:"signal,omitempty"`
	Message  string `json:"message,omitempty"`
}

// PowerOff asks PID 1 to end the personality with SIGTERM, wait up to GraceMillis, sync and power off.
type PowerOff struct {
	GraceMillis int64 `json:"graceMillis"`
}

// Identity makes a machine restored from a template an individual. PID 1 answers with Ready.
type Identity struct {
	Entropy   []byte `json:"entropy"`
	UnixNanos int64  `json:"unixNanos"`
	Hostname  string `json:"hostname,omitempty"`
	MachineID string `json:"machineID,omitempty"`
}

// Ping asks for a Pong with the same Nonce.
type Ping struct {
	Nonce uint64 `json:"nonce"`
}

// Pong answers a Ping.
type Pong struct {
	Nonce uint64 `json:"nonce"`
}
