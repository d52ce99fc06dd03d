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

// PersonalityAppliance runs the one program of an image; it may write [StatusFD].
const PersonalityAppliance = "appliance"

// StatusFD is the write end of a pipe of the personality [PersonalityAppliance]. Each line is a [Status] as JSON; PID 1 passes the last
// one on to the host.
const StatusFD = 3

// PersonalityProbe is the built-in personality that reports ready and powers off. The accelerator probe boots it.
const PersonalityProbe = "probe"

// Kernel command line parameters read by PID 1.
const (
	ParamPersonality = "crx.personality" // name of the personality; [PersonalityProbe] needs no file
	ParamHostname    = "crx.hostname"
	// ParamTemplate "1" makes a template of the machine: PID 1 holds the personality once it waits for work.
	ParamTemplate = "crx.template"
)

// NotifyFD is an open stream socket of a personality that runs in a template; elsewhere it is not there. The environment variable
// [NotifyEnv] says so. The personality writes a byte when it waits for work and has opened its port, and not before it has
// done what every clone would otherwise have to do for itself. Nothing it does until then may depend on randomness, time or names,
// since all clones share it. It then reads a byte: at [NotifyGo] it closes the descriptor and goes on, at [NotifyRehearse] it
// does as a rehearsal what it will be asked to do, and says again that it waits.
const (
	NotifyFD  = 3
	NotifyEnv = "CRX_NOTIFY_FD"

	NotifyGo       = 'g'
	NotifyRehearse = 'r'
)

// Disks of a rehearsal by LUN, both with an empty ext4, the second read only. No other disk has these, so that it does not matter when
// the guest's kernel notices that they are gone.
const (
	RehearsalDisk  = 254
	RehearsalImage = 255
)

// Message is one line on the init channel. Exactly one field is set.
//
// Either end may go away at any time; what is under way is then lost. PID 1 announces its state, Ready or Exited, to every
// host that connects, so a host sees Ready more than once. A host begins with an empty line: it ends what an earlier
// host left half written, and PID 1 answers it with its state even if it did not see that the host had changed.
type Message struct {
	// From PID 1.
	Ready  *Ready  `json:"ready,omitempty"`
	Held   *Held   `json:"held,omitempty"`
	Exited *Exited `json:"exited,omitempty"`
	Pong   *Pong   `json:"pong,omitempty"`
	Status *Status `json:"status,omitempty"`
	// From the host.
	PowerOff *PowerOff `json:"powerOff,omitempty"`
	Identity *Identity `json:"identity,omitempty"`
	Ping     *Ping     `json:"ping,omitempty"`
	Clock    *Clock    `json:"clock,omitempty"`
}

// Ready says that PID 1 has started the personality.
type Ready struct {
	Kernel string `json:"kernel"` // uname -r
	// UptimeMillis is the guest's uptime in milliseconds when PID 1 got control.
	UptimeMillis int64 `json:"uptimeMillis"`
}

// Held says that the personality is stopped and waits for the [Identity] of a clone. The host may save or stop the machine now.
type Held struct {
	// Rehearsals that this machine has behind it since it was restored.
	Rehearsals int `json:"rehearsals,omitempty"`
}

// Status is how far a personality is, for people and for those who wait for it. It comes after Ready, again at each connection and
// whenever it changes.
type Status struct {
	Stage     string   `json:"stage"`
	Message   string   `json:"message,omitempty"`
	Addresses []string `json:"addresses,omitempty"` // CIDR
}

// Stages of an appliance.
const (
	StagePreparing = "Preparing" // disks, network
	StageStarting  = "Starting"  // the program runs and has not said yet that it is ready
	StageReady     = "Ready"
	StageFailing   = "Failing" // the program has ended, or cannot be started; it is started again
)

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

// Identity makes a machine restored from a template an individual. PID 1 takes it on before it lets the personality go, and
// answers with Ready.
type Identity struct {
	// Rehearse makes it one for the time of a rehearsal only: the personality does once what it will be asked to do, so that an
	// emulator has translated the code, and is held again. PID 1 answers with Held, and another Identity follows. The machine has
	// the disks [RehearsalDisk] and [RehearsalImage] meanwhile.
	Rehearse bool `json:"rehearse,omitempty"`
	// Entropy for the kernel's random number generator, at least 64 bytes.
	Entropy []byte `json:"entropy"`
	// StepNanos is how far the wall clock has to be put forward. The host learns it by Ping, since a message may be long under way.
	StepNanos int64 `json:"stepNanos"`
	// Hostname and MachineID (32 hexadecimal digits, see machine-id(5)).
	Hostname  string `json:"hostname,omitempty"`
	MachineID string `json:"machineID,omitempty"`
	// MACs are the hardware addresses of the machine's network devices, in the order of their indexes.
	MACs []string `json:"macs,omitempty"`
}

// Ping asks for a Pong with the same Nonce.
type Ping struct {
	Nonce uint64 `json:"nonce"`
}

// Clock corrects the guest's wall clock, which is behind the host's by so much. What is little is made good slowly.
type Clock struct {
	BehindNanos int64 `json:"behindNanos"`
}

// Pong answers a Ping.
type Pong struct {
	Nonce uint64 `json:"nonce"`
	// UnixNanos is the guest's wall clock.
	UnixNanos int64 `json:"unixNanos"`
}
