package smaps

import (
	"os"
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	const text = `55d0c0a00000-55d0c0e00000 r-xp 00000000 fe:00 12 /usr/bin/qemu-system-x86_64
Size:               4096 kB
Rss:                 200 kB
Pss:                 100 kB
VmFlags: rd ex mr mw me
7f1000000000-7f1004000000 rwxp 00000000 00:00 0 
Size:              65536 kB
Rss:                8000 kB
Pss:                8000 kB
Private_Clean:      1000 kB
Private_Dirty:      7000 kB
`
	want := []Mapping{
		{Perms: "r-xp", Path: "/usr/bin/qemu-system-x86_64", Size: 4096 << 10, RSS: 200 << 10, PSS: 100 << 10},
		{Perms: "rwxp", Size: 65536 << 10, RSS: 8000 << 10, PSS: 8000 << 10, Private: 8000 << 10},
	}
	have, err := Parse([]byte(text))
	if err != nil || !slices.Equal(have, want) {
		t.Errorf("have %+v, %v, want %+v", have, err, want)
	}
	if have[0].Code() || !have[1].Code() {
		t.Error("what is generated code is mistaken")
	}
	if _, err := Parse([]byte("Pss: 1 kB\n")); err == nil {
		t.Error("an entry without a head is taken")
	}
}

func TestSumOfThisProcess(t *testing.T) {
	sum, err := Sum(os.Getpid())
	if err != nil {
		t.Skip(err)
	}
	if sum.PSS < 1<<20 || sum.RSS < sum.PSS {
		t.Errorf("%+v", sum)
	}
}
