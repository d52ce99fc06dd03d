package wcp

// Secrets of a Supervisor, in a record of their own so that nobody reads them by accident.
type Secrets struct {
	CACertificate string `json:"ca"`
}

// CA is the certificate that clients of the Supervisor trust, PEM.
func (s Secrets) CA() string { return s.CACertificate }
