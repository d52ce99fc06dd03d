package channel

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
)

const (
	helloPrefix = "\nPACIFIC-HELLO "
	readyPrefix = "\nPACIFIC-READY "
	escape      = '\\'
	nonceDigits = 32
)

// errHello ends a session: the host has begun a new conversation.
var errHello = errors.New("the host began a new conversation")

func newNonce() string {
	var b [nonceDigits / 2]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// scan looks for helloPrefix in buf, of which matched bytes were seen at the end of what came before. It returns how many
// bytes of buf may pass, up to and with the end of a prefix, and the new state, len(helloPrefix) when a prefix is complete.
//
// The prefix has its first byte nowhere else, so a partial match never has to fall back on a shorter one.
func scan(buf []byte, matched int) (pass, state int) {
	for pass < len(buf) && matched > 0 {
		if buf[pass] != helloPrefix[matched] {
			matched = 0
			break
		}
		pass, matched = pass+1, matched+1
		if matched == len(helloPrefix) {
			return pass, matched
		}
	}
	if matched > 0 {
		return pass, matched
	}
	if i := bytes.Index(buf[pass:], []byte(helloPrefix)); i >= 0 {
		return pass + i + len(helloPrefix), len(helloPrefix)
	}
	if i := bytes.LastIndexByte(buf[pass:], helloPrefix[0]); i >= 0 {
		if tail := buf[pass+i:]; bytes.HasPrefix([]byte(helloPrefix), tail) {
			matched = len(tail)
		}
	}
	return len(buf), matched
}

// escaper writes what the host sends in a session.
type escaper struct {
	w       io.Writer
	matched int
}

func (e *escaper) Write(p []byte) (written int, err error) {
	for written < len(p) {
		pass, matched := scan(p[written:], e.matched)
		n, err := e.w.Write(p[written : written+pass])
		written += n
		if err != nil {
			return written, err
		}
		if e.matched = matched; matched < len(helloPrefix) {
			continue
		}
		if _, err := e.w.Write([]byte{escape}); err != nil {
			return written, err
		}
		e.matched = 0
	}
	return written, nil
}

// inbound is what the guest reads: conversations one after another, and ruins of conversations between them.
type inbound struct {
	r       *bufio.Reader
	matched int
}

// Read returns bytes of the present conversation, and errHello at the beginning of the next.
func (in *inbound) Read(p []byte) (int, error) {
	if in.matched == len(helloPrefix) {
		next, err := in.r.Peek(1)
		if err != nil {
			return 0, err
		}
		if next[0] != escape {
			return 0, errHello
		}
		in.r.Discard(1)
		in.matched = 0
	}
	if _, err := in.r.Peek(1); err != nil {
		return 0, err
	}
	buf, _ := in.r.Peek(min(in.r.Buffered(), len(p)))
	n, matched := scan(buf, in.matched)
	copy(p, buf[:n])
	in.r.Discard(n)
	in.matched = matched
	return n, nil
}

// hello throws away everything up to the next whole HELLO and returns its nonce.
func (in *inbound) hello() (string, error) {
	scrap := make([]byte, 4096)
	for {
		_, err := in.Read(scrap)
		if err == nil {
			continue
		}
		if !errors.Is(err, errHello) {
			return "", err
		}
		nonce, err := in.nonce()
		if nonce != "" || err != nil {
			return nonce, err
		}
	}
}

// nonce reads the rest of a HELLO; it is empty when the HELLO is broken off.
func (in *inbound) nonce() (string, error) {
	in.matched = 0
	var nonce []byte
	for {
		b, err := in.r.ReadByte()
		switch {
		case err != nil:
			return "", err
		case b == '\n' && len(nonce) == nonceDigits:
			return string(nonce), nil
		case !isHexDigit(b) || len(nonce) == nonceDigits:
			return "", in.r.UnreadByte() // it may begin a HELLO
		}
		nonce = append(nonce, b)
	}
}

func isHexDigit(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f'
}

// awaitReady throws away everything up to the READY with this nonce.
func awaitReady(r *bufio.Reader, nonce string) error {
	want := []byte(readyPrefix[1:] + nonce + "\n")
	whole := true // the line is read from its beginning
	for {
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			whole = false
			continue
		case err != nil:
			return err
		case whole && bytes.Equal(line, want):
			return nil
		}
		whole = true
	}
}
