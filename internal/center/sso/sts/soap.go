package sts

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"

	"k8s.io/klog/v2"
)

// Path of the service. The original's clients append the domain.
const Path = "/sts/STSService"

// ServeHTTP answers a request of WS-Trust 1.3 by SOAP 1.1.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := s.Answer(w, r)
	answer.Write(w)
}

// Answer to a request.
type Answer struct {
	// Subject for whom an assertion was issued, renewed or validated, name@domain, if that is known.
	Subject string
	Err     error
	code    int
	body    []byte
}

// Answer a request; w is only told when the request is too large.
func (s *Service) Answer(w http.ResponseWriter, r *http.Request) Answer {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDocument))
	if err != nil {
		err = refused(codeBadRequest, "the request cannot be read, or has more than %d bytes", maxDocument)
	}
	var done result
	if err == nil {
		done, err = s.answer(r.Context(), source(r), data)
	}
	if err == nil {
		return Answer{Subject: done.subject, code: http.StatusOK, body: envelopeOf(done.body())}
	}
	f, internal := faultOf(err)
	if internal {
		klog.ErrorS(err, "Security token service failed", "subject", done.subject)
	}
	// SOAP 1.1, section 6.2, has this status for every fault.
	return Answer{Subject: done.subject, Err: f, code: http.StatusInternalServerError, body: envelopeOf(faultBody(f))}
}

// Write it.
func (a Answer) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body)
}

func source(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func envelopeOf(body string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?><S:Envelope xmlns:S="%s"><S:Body>%s</S:Body></S:Envelope>`, nsEnvelope, body)
}

func faultBody(f *fault) string {
	return fmt.Sprintf(`<S:Fault><faultcode xmlns:wst="%s">wst:%s</faultcode><faultstring>%s</faultstring></S:Fault>`, nsTrust, f.Code, escape(f.Error()))
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer does not fail
	return b.String()
}

// body of the answer. The assertion stands in it byte by byte as it was signed.
func (r result) body() string {
	if r.kind == validate {
		return r.status()
	}
	token := fmt.Sprintf(`<TokenType>%s</TokenType><Lifetime><wsu:Created xmlns:wsu="%[2]s">%[3]s</wsu:Created><wsu:Expires xmlns:wsu="%[2]s">%[4]s</wsu:Expires></Lifetime><RequestedSecurityToken>%[5]s</RequestedSecurityToken>`,
		nsAssertion, nsUtility, format(r.assertion.NotBefore), format(r.assertion.NotOnOrAfter), r.xml)
	if r.kind == renew {
		return fmt.Sprintf(`<RequestSecurityTokenResponse xmlns="%s">%s</RequestSecurityTokenResponse>`, nsTrust, token)
	}
	return fmt.Sprintf(`<RequestSecurityTokenResponseCollection xmlns="%s"><RequestSecurityTokenResponse>%s</RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>`, nsTrust, token)
}

func (r result) status() string {
	code, reason := "valid", ""
	if r.invalid != "" {
		code, reason = "invalid", fmt.Sprintf("<Reason>%s</Reason>", escape(r.invalid))
	}
	return fmt.Sprintf(`<RequestSecurityTokenResponse xmlns="%[1]s"><TokenType>%[1]s/RSTR/Status</TokenType><Status><Code>%[1]s/status/%[2]s</Code>%[3]s</Status></RequestSecurityTokenResponse>`, nsTrust, code, reason)
}
