package sts

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SignScheme of the Authorization header by which REST clients of the original sign in with an assertion.
const SignScheme = "SIGN"

// SignHeader is what stands in such a header: the assertion and, if it is bound to a key, a signature of the request by it.
type SignHeader struct {
	Assertion []byte

	algorithm, nonce    string
	signature, bodyHash []byte
}

// maxSignHeader is about what net/http lets through.
const maxSignHeader = 1 << 20

// ParseSignHeader reads SIGN token="…", signature_alg="RSA-SHA256", signature="…", nonce="<ms>:<random>", bodyhash="…".
func ParseSignHeader(header string) (SignHeader, error) {
	scheme, rest, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, SignScheme) || len(header) > maxSignHeader {
		return SignHeader{}, errors.New("the header is not Authorization: SIGN")
	}
	params := map[string]string{}
	for _, param := range strings.Split(rest, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(param), "=")
		if _, twice := params[key]; twice || !ok || len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
			return SignHeader{}, errors.New("the header Authorization: SIGN is not a list of different key=\"value\"")
		}
		params[key] = value[1 : len(value)-1]
	}
	h := SignHeader{algorithm: params["signature_alg"], nonce: params["nonce"]}
	var zipped []byte
	for name, into := range map[string]*[]byte{"token": &zipped, "signature": &h.signature, "bodyhash": &h.bodyHash} {
		var err error
		if *into, err = base64.StdEncoding.DecodeString(params[name]); err != nil {
			return h, fmt.Errorf("%s in the header Authorization: SIGN is not base64", name)
		}
	}
	var err error
	h.Assertion, err = unzip(zipped)
	return h, err
}

func unzip(data []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("the token in the header Authorization: SIGN: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(reader, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("the token in the header Authorization: SIGN: %w", err)
	}
	if len(out) > maxDocument {
		return nil, fmt.Errorf("the token has more than %d bytes", maxDocument)
	}
	return out, nil
}

// Prove that the request is signed by the key that the assertion is bound to, not long ago and for nobody else. It returns an
// id by which the request can be known again, until a time. A bearer's assertion needs no proof; the id is empty then.
func (h SignHeader) Prove(a Assertion, r *http.Request, body []byte, now time.Time) (id string, until time.Time, err error) {
	if a.Holder == nil {
		return "", time.Time{}, nil
	}
	if len(h.signature) == 0 {
		return "", until, errors.New("the assertion is bound to a key, and the request is not signed by it")
	}
	key, ok := a.Holder.PublicKey.(*rsa.PublicKey)
	if !ok || h.algorithm != "RSA-SHA256" {
		return "", until, errors.New("the signature's method is not accepted: RSA-SHA256 is")
	}
	millis, _, _ := strings.Cut(h.nonce, ":")
	ms, err := strconv.ParseInt(millis, 10, 64)
	at := time.UnixMilli(ms)
	if err != nil || now.Sub(at).Abs() > maxSkew {
		return "", until, errors.New("the nonce is not of now: set the clock")
	}
	sum := sha256.Sum256(body)
	if len(h.bodyHash) > 0 && !bytes.Equal(h.bodyHash, sum[:]) {
		return "", until, errors.New("the body is not the one that was signed")
	}
	for _, message := range signedMessages(h.nonce, r, sum) {
		digest := sha256.Sum256(message)
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], h.signature) == nil {
			used := sha256.Sum256(h.signature)
			return hex.EncodeToString(used[:]), at.Add(maxSkew + time.Minute), nil
		}
	}
	return "", until, errors.New("the signature of the request is not by the key of the assertion's holder")
}

// signedMessages that the client may have signed: it writes a port also when the URL has none, and clients differ in which.
func signedMessages(nonce string, r *http.Request, body [sha256.Size]byte) [][]byte {
	host, port, err := net.SplitHostPort(r.Host)
	ports := []string{port}
	if err != nil {
		host, ports = r.Host, []string{"80", "443"}
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	var messages [][]byte
	for _, port := range ports {
		text := strings.Join([]string{nonce, r.Method, r.URL.Path, strings.ToLower(host), port}, "\n") + "\n"
		messages = append(messages, append(append([]byte(text), body[:]...), '\n'))
	}
	return messages
}
