//go:build !amd64

package crx

// MeasureTSC is of use on x86 only.
func MeasureTSC() uint64 { return 0 }
