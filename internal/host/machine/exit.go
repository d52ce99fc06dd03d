package machine

import (
	"fmt"
	"strings"
	"syscall"

	"pacific/internal/host/vmm"
)

// Reasons of an Exit, as in host.proto.
const (
	ReasonPoweredOff        = "PoweredOff"
	ReasonPersonalityExited = "PersonalityExited"
	ReasonKernelPanic       = "KernelPanic"
	ReasonKilled            = "Killed"
	ReasonVMMFailed         = "VMMFailed"
	ReasonStopped           = "Stopped"
)

// maxMessage bounds the guest's and the VMM's words in a message.
const maxMessage = 2 << 10

const panicMark = "Kernel panic"

// exitOfGuest says why a guest ended whose VMM is still there to be asked.
func exitOfGuest(s State, e GuestEnded) Exit {
	exit := Exit{At: e.At, Reason: ReasonPoweredOff, Message: "the guest powered off"}
	if s.Told != nil {
		exit.ExitCode = code(s)
	}
	switch {
	case e.Cause == vmm.Internal:
		exit.Reason, exit.Message = ReasonVMMFailed, "the VMM cannot run the guest any more: internal error"
	case s.Told == nil && (e.Cause == vmm.Panic || strings.Contains(e.Console, panicMark)):
		exit.Reason, exit.Message = ReasonKernelPanic, panicText(e.Console)
	case s.Phase == Stopping:
		exit.Reason, exit.Message = ReasonStopped, "the guest powered off as it was asked"
	case s.Told != nil:
		exit.Reason, exit.Message = ReasonPersonalityExited, told(s)
	}
	return exit
}

func told(s State) string {
	text := fmt.Sprintf("the personality exited with code %d", s.Told.ExitCode)
	if s.Told.Signal != 0 {
		text = "the personality was killed by " + signalName(s.Told.Signal)
	}
	if s.Told.Message != "" {
		text += ": " + tail(s.Told.Message)
	}
	return text
}

func code(s State) int {
	if s.Told.Signal != 0 {
		return 128 + s.Told.Signal
	}
	return s.Told.ExitCode
}

// exitOfProcess says why a VMM ended by itself.
func exitOfProcess(s State, e ProcessGone) Exit {
	exit := Exit{At: e.At, ExitCode: e.Exit.Code, Signal: e.Exit.Signal}
	switch {
	case e.OutOfMemory:
		exit.Reason, exit.Message = ReasonKilled, "the VMM was killed by the host: it used more memory than its cgroup or its resource pool allows"
	case e.Exit.Signal != 0:
		exit.Reason, exit.Message = ReasonKilled, "the VMM was killed by "+signalName(e.Exit.Signal)
	case !e.Exit.Known:
		exit.Reason, exit.Message = ReasonKilled, "the VMM has ended, and how was not seen"
	case s.Phase == Stopping && e.Exit.Code == 0:
		exit.Reason, exit.Message = ReasonStopped, "the VMM ended"
	default:
		exit.Reason, exit.Message = ReasonVMMFailed, fmt.Sprintf("the VMM exited with code %d", e.Exit.Code)
	}
	if e.Log != "" {
		exit.Message += ": " + tail(e.Log)
	}
	return exit
}

// exitUnseen is for a VMM that was gone when hostd came back.
func exitUnseen(e Restarted) Exit {
	message := "the VMM ended while hostd was not running, and how was not seen"
	if e.Rebooted {
		message = "the host was restarted"
	}
	return Exit{At: e.At, Reason: ReasonKilled, Message: message}
}

func signalName(signal int) string {
	return fmt.Sprintf("signal %d (%s)", signal, syscall.Signal(signal))
}

// panicText is the console from the panic on, with what the kernel said just before.
func panicText(console string) string {
	at := strings.Index(console, panicMark)
	if at < 0 {
		return tail(console)
	}
	from := at
	for range 5 {
		from = max(strings.LastIndexByte(console[:from], '\n'), 0)
	}
	text := strings.TrimSpace(console[from:])
	return text[:min(len(text), maxMessage)]
}

func tail(text string) string {
	text = strings.TrimSpace(text)
	return text[max(len(text)-maxMessage, 0):]
}
