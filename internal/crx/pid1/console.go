package pid1

import (
	"fmt"
	"os"
	"time"
)

// console writes to /dev/console without ever making the writer wait: a serial port can be slow, or stuck. What does not
// fit into the queue is dropped.
type console struct {
	queue chan []byte
	idle  chan struct{} // answers when all before it is written
}

func openConsole() *console {
	c := &console{queue: make(chan []byte, 64), idle: make(chan struct{})}
	guard(c.run)
	return c
}

func (c *console) run() {
	for chunk := range c.queue {
		if chunk == nil {
			c.idle <- struct{}{}
			continue
		}
		_, _ = os.Stderr.Write(chunk) // no console, no message
	}
}

func (c *console) write(p []byte) {
	if len(p) == 0 {
		return
	}
	select {
	case c.queue <- append([]byte(nil), p...):
	default:
	}
}

func (c *console) log(text string) {
	c.write(fmt.Appendf(nil, "crx-init: %s\n", text))
}

// flush waits a short time for the queue to be written.
func (c *console) flush() {
	timeout := time.After(300 * time.Millisecond)
	select {
	case c.queue <- nil:
	case <-timeout:
		return
	}
	select {
	case <-c.idle:
	case <-timeout:
	}
}
