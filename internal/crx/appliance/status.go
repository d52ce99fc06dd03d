package appliance

import (
	"encoding/json"
	"io"
	"sync"

	"pacific/api/crx"
)

// reporter tells PID 1, and by it the host, how far the machine is.
type reporter struct {
	out       io.Writer
	mu        sync.Mutex
	addresses []string
	last      crx.Status
}

func (r *reporter) address(cidr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addresses = append(r.addresses, cidr)
}

// report writes a status that differs from the last one. Nobody may be there to read it, so failure does not matter.
func (r *reporter) report(stage, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	status := crx.Status{Stage: stage, Message: cut(message), Addresses: r.addresses}
	if status.Stage == r.last.Stage && status.Message == r.last.Message && len(status.Addresses) == len(r.last.Addresses) {
		return
	}
	r.last = status
	if line, err := json.Marshal(status); err == nil {
		_, _ = r.out.Write(append(line, '\n'))
	}
}

// maxStatus keeps a status in one page, which a pipe takes whole.
const maxStatus = 1 << 10

func cut(message string) string {
	if len(message) <= maxStatus {
		return message
	}
	return message[len(message)-maxStatus:]
}
