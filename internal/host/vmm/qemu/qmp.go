package qemu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// client speaks QMP, QEMU's machine protocol, over a unix socket: one JSON object a line, commands answered by id, events
// in between. See docs/interop/qmp-spec.txt in QEMU.
type client struct {
	conn   *net.UnixConn
	events func(event) // called in order, from the reader; must not call execute

	write  sync.Mutex
	mu     sync.Mutex
	next   uint64
	calls  map[uint64]chan reply
	failed error // set when the connection is lost
	done   chan struct{}
}

type event struct {
	Name string          `json:"event"`
	Data json.RawMessage `json:"data"`
}

type reply struct {
	ID     *uint64         `json:"id"`
	Return json.RawMessage `json:"return"`
	Error  *CommandError   `json:"error"`
}

// CommandError is QEMU's refusal of a command.
type CommandError struct {
	Command string `json:"-"`
	Class   string `json:"class"`
	Desc    string `json:"desc"`
}

func (e *CommandError) Error() string { return fmt.Sprintf("QEMU refuses %s: %s", e.Command, e.Desc) }

// errLost says that the VMM does not answer any more.
var errLost = errors.New("connection to the VMM is lost")

// dial connects and negotiates. It waits until the VMM answers, ctx is done, or the VMM hangs up.
func dial(ctx context.Context, path string, events func(event)) (*client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn.(*net.UnixConn), events: events, calls: map[uint64]chan reply{}, done: make(chan struct{})}
	go c.read()
	// The greeting needs no attention: capabilities are accepted after it, and nothing else is asked of it.
	if err := c.execute(ctx, "qmp_capabilities", nil, nil); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *client) close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

func (c *client) read() {
	defer close(c.done)
	decoder := json.NewDecoder(c.conn)
	for {
		var message struct {
			event
			reply
		}
		if err := decoder.Decode(&message); err != nil {
			c.fail(fmt.Errorf("%w: %w", errLost, err))
			return
		}
		switch {
		case message.Name != "":
			c.events(message.event)
		case message.ID != nil:
			c.answer(*message.ID, message.reply)
		}
	}
}

func (c *client) fail(err error) {
	c.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
	for id, call := range c.calls {
		close(call)
		delete(c.calls, id)
	}
}

func (c *client) answer(id uint64, r reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call, ok := c.calls[id]; ok {
		call <- r
		delete(c.calls, id)
	}
}

// execute runs a command; result may be nil. file, where not nil, goes along with the command (SCM_RIGHTS).
func (c *client) execute(ctx context.Context, command string, args, result any, file ...*os.File) error {
	id, call, err := c.register()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	request := map[string]any{"execute": command, "id": id}
	if args != nil {
		request["arguments"] = args
	}
	if err := c.send(ctx, request, file); err != nil {
		c.forget(id)
		return fmt.Errorf("%s: %w: %w", command, errLost, err)
	}
	select {
	case r, ok := <-call:
		return c.result(command, r, ok, result)
	case <-ctx.Done():
		c.forget(id)
		return fmt.Errorf("%s: %w", command, ctx.Err())
	}
}

func (c *client) register() (uint64, chan reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return 0, nil, c.failed
	}
	c.next++
	call := make(chan reply, 1)
	c.calls[c.next] = call
	return c.next, call, nil
}

func (c *client) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, id)
}

func (c *client) send(ctx context.Context, request any, files []*os.File) error {
	var line bytes.Buffer
	if err := json.NewEncoder(&line).Encode(request); err != nil {
		return err
	}
	var rights []byte
	for _, file := range files {
		rights = append(rights, unix.UnixRights(int(file.Fd()))...)
	}
	c.write.Lock()
	defer c.write.Unlock()
	deadline, _ := ctx.Deadline()
	if err := c.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	defer c.conn.SetWriteDeadline(time.Time{})
	_, _, err := c.conn.WriteMsgUnix(line.Bytes(), rights, nil)
	return err
}

func (c *client) result(command string, r reply, ok bool, result any) error {
	switch {
	case !ok:
		return fmt.Errorf("%s: %w", command, errLost)
	case r.Error != nil:
		r.Error.Command = command
		return r.Error
	case result == nil:
		return nil
	}
	return json.Unmarshal(r.Return, result)
}
