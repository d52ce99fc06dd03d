// Package agentlink is the spherelet's connection to the agent inside a pod's machine.
package agentlink

import (
	"context"
	"fmt"
	"net"

	"github.com/containerd/ttrpc"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/channel"
)

// Session is one conversation over the personality channel of a machine.
type Session interface {
	RPC(ctx context.Context) (*ttrpc.Client, error)
	Open(ctx context.Context, header channel.Header) (net.Conn, error)
	Done() <-chan struct{}
	Close() error
}

// Dialer begins a conversation over the personality socket of a machine. It waits for a guest that still boots.
type Dialer func(ctx context.Context, socket string) (Session, error)

// DialChannel is the Dialer for real machines.
func DialChannel(ctx context.Context, socket string) (Session, error) {
	s, err := channel.Dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Link is a connection to one agent. It ends when either end goes away; whoever uses it makes a new one.
type Link struct {
	Agent agentv1.AgentClient

	session Session
	client  *ttrpc.Client
}

// Connect dials the agent behind the socket.
func Connect(ctx context.Context, dial Dialer, socket string) (*Link, error) {
	session, err := dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	client, err := session.RPC(ctx)
	if err != nil {
		session.Close()
		return nil, fmt.Errorf("open the agent's control stream: %w", err)
	}
	return &Link{Agent: agentv1.NewAgentClient(client), session: session, client: client}, nil
}

// Open opens a stream to the agent.
func (l *Link) Open(ctx context.Context, header channel.Header) (net.Conn, error) {
	return l.session.Open(ctx, header)
}

// Done is closed when the connection has ended.
func (l *Link) Done() <-chan struct{} { return l.session.Done() }

// Close ends the connection.
func (l *Link) Close() error {
	l.client.Close()
	return l.session.Close()
}
