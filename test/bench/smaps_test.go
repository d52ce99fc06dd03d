package main

import (
	"testing"

	"pacific/internal/smaps"
)

// entry of smaps, shortened to the fields that count.
const vmm = `55d0c0a00000-55d0c0e00000 r-xp 00000000 fe:00 12 /usr/bin/qemu-system-x86_64
Size:               4096 kB
Pss:                 100 kB
Private_Clean:         0 kB
Private_Dirty:         0 kB
VmFlags: rd ex mr mw me
7f0000000000-7f0008000000 rw-p 00000000 fe:00 77 /var/lib/templates/1/memory (deleted)
Size:             131072 kB
Pss:               30000 kB
Private_Clean:      1000 kB
Private_Dirty:     20000 kB
VmFlags: rd wr mr mw me dd
7f1000000000-7f1004000000 rwxp 00000000 00:00 0 
Size:              65536 kB
Pss:                8000 kB
Private_Dirty:      8000 kB
7f2000000000-7f2000100000 rw-p 00000000 00:00 0 
Size:               1024 kB
Pss:                 500 kB
Private_Dirty:       500 kB
55d0c2000000-55d0c2100000 rw-p 00000000 00:00 0                          [heap]
Size:               1024 kB
Pss:                 700 kB
Private_Dirty:       700 kB
`

func TestPartsOfAVMM(t *testing.T) {
	mappings, err := smaps.Parse([]byte(vmm))
	if err != nil {
		t.Fatal(err)
	}
	want := Parts{GuestPrivate: 21000 << 10, GuestShared: 9000 << 10, TranslationCache: 8000 << 10, Heap: 1200 << 10, Files: 100 << 10}
	if got := partsOf(mappings, 128<<20); got != want {
		t.Errorf("parts are %+v, want %+v", got, want)
	}
}

func TestGuestMemory(t *testing.T) {
	if got, err := guestMemory([]string{"qemu", "-m", "352M", "-smp", "1"}); err != nil || got != 352<<20 {
		t.Errorf("%d, %v", got, err)
	}
	for _, bad := range [][]string{{"qemu"}, {"qemu", "-m"}, {"qemu", "-m", "1G"}} {
		if _, err := guestMemory(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestMeanAndMax(t *testing.T) {
	all := []Parts{{Heap: 1, Files: 3}, {Heap: 5, Files: 1}}
	if got := meanOf(all); got != (Parts{Heap: 3, Files: 2}) {
		t.Errorf("mean %+v", got)
	}
	if got := maxOf(all); got != all[1] {
		t.Errorf("max %+v", got)
	}
	if got := meanOf(nil); got != (Parts{}) {
		t.Errorf("mean of nothing %+v", got)
	}
}
