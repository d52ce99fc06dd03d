package vmm

// Trimmer is a VMM that can give back memory which only saves work.
type Trimmer interface {
	// Trimmable is the memory in bytes that a process has for code that it translated, where it can give that back; else 0.
	Trimmable(Identity) (uint64, error)
	// Trim asks a process to give that memory back, which it does when its guest next does something. What the guest runs then is
	// translated again. A process that is gone is no error.
	Trim(Identity) error
}
