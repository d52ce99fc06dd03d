package template

import "testing"

func TestSizeClass(t *testing.T) {
	const mib = 1 << 20
	for bytes, want := range map[uint64]uint64{
		48: 64, 64: 64, 65: 96, 128: 128, 129: 160, 352: 352, 353: 384, 512: 512, 520: 576, 1024: 1024, 1025: 1152, 5000: 5120,
	} {
		if got := SizeClass(bytes * mib); got != want*mib {
			t.Errorf("%d MiB: got %d MiB, want %d MiB", bytes, got/mib, want)
		}
		if got := SizeClass(want * mib); got != want*mib {
			t.Errorf("the class of %d MiB is %d MiB", want, got/mib)
		}
	}
}

func TestParseClass(t *testing.T) {
	for text, want := range map[string]Class{
		"agent:1:352:1":   {"agent", 1, 352 << 20, 1},
		"fetcher:2:500:0": {"fetcher", 2, 512 << 20, 0},
	} {
		if got, err := ParseClass(text); err != nil || got != want {
			t.Errorf("%q: got %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "agent", "agent:1:352", "agent:0:352:1", "agent:1:x:1", ":1:352:1", "agent:1:352:1:1", "agent:1:0:1", "agent:-1:352:1"} {
		if got, err := ParseClass(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

// A template must never be used for a machine that differs in anything that the guest has seen.
func TestKeysDiffer(t *testing.T) {
	key := Key{
		Class: Class{"agent", 1, 352 << 20, 1}, Kernel: "a", Initrd: "b", VMM: "QEMU 7.2.22", Accelerator: "tcg", HostBoot: "c", Layout: 1,
	}
	seen := map[string]bool{key.ID(): true}
	for _, change := range []func(*Key){
		func(k *Key) { k.Class.Personality = "fetcher" }, func(k *Key) { k.Class.VCPUs = 2 }, func(k *Key) { k.Class.MemoryBytes = 384 << 20 },
		func(k *Key) { k.Class.Ports = 2 }, func(k *Key) { k.Kernel = "x" }, func(k *Key) { k.Initrd = "x" },
		func(k *Key) { k.VMM = "QEMU 8" }, func(k *Key) { k.Accelerator = "kvm" }, func(k *Key) { k.HostBoot = "x" }, func(k *Key) { k.Layout = 2 },
	} {
		other := key
		change(&other)
		if seen[other.ID()] {
			t.Errorf("%+v has the id of another key", other)
		}
		seen[other.ID()] = true
	}
	if again := key; again.ID() != key.ID() {
		t.Error("one key has two ids")
	}
}
