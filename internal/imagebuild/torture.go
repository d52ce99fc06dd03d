package imagebuild

import (
	"archive/tar"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// entry is the entrypoint of the torture image: it says who and where it is and ends with a code of its caller's choice.
const entry = `#!/bin/sh
id
pwd
env
echo "arguments: $*"
ls -l /srv
exit "${EXIT_CODE:-0}"
`

// capNetBindService is a security.capability attribute: version 2, CAP_NET_BIND_SERVICE permitted and effective.
const capNetBindService = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// torture is an index of two platforms; the one for amd64 has in it what layers can have.
func torture(ctx context.Context, in Inputs) (Image, error) {
	own, err := tortureImage(ctx, in)
	if err != nil {
		return nil, err
	}
	arm64 := v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	other, err := foreign(arm64)
	if err != nil {
		return nil, err
	}
	// The other platform comes first, so that taking the first is a mistake that shows.
	return mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &arm64}},
		mutate.IndexAddendum{Add: own, Descriptor: v1.Descriptor{Platform: &AMD64}}), nil
}

func tortureImage(ctx context.Context, in Inputs) (v1.Image, error) {
	base, err := Userland(ctx, in.Busybox)
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(in.Busybox)
	if err != nil {
		return nil, err
	}
	layers := []v1.Layer{base}
	for _, entries := range [][]Entry{everything(program), removals(), returns()} {
		layer, err := Layer(entries...)
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	return Assemble(AMD64, v1.Config{
		User:         "app",
		Env:          []string{DefaultPath, "GREETING=hello world", "EMPTY="},
		WorkingDir:   "/srv",
		Entrypoint:   []string{"/bin/entry"},
		Cmd:          []string{"one", "two words"},
		Volumes:      map[string]struct{}{"/volume": {}},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		StopSignal:   "SIGUSR1",
		Labels:       map[string]string{"pacific.internal/torture": "yes"},
	}, layers...)
}

// everything is a layer of every kind of entry.
func everything(program []byte) []Entry {
	return []Entry{
		File("bin/entry", 0o755, []byte(entry)),
		File("bin/setuid", 0o4755, program),
		File("bin/setgid", 0o2755, []byte("#!/bin/sh\nid\n")).Owned(0, 1003),
		File("bin/capable", 0o755, program).Attr("security.capability", capNetBindService),
		Dir("srv", 0o755).Owned(1001, 1002),
		File("srv/readme", 0o640, []byte("of the second layer\n")).Owned(1001, 1002).Attr("user.origin", "second layer"),
		Dir("volume", 0o700).Owned(1001, 1002),
		File("volume/seed", 0o600, []byte("seed\n")).Owned(1001, 1002),
		Dir("links", 0o755),
		File("links/one", 0o644, []byte("the same file\n")).Owned(7, 8),
		Link("links/two", "links/one").Owned(7, 8),
		Symlink("links/relative", "one"),
		Symlink("links/absolute", "/links/one"),
		Symlink("links/dangling", "/nowhere/at/all"),
		Symlink("links/above", "../../../../../../etc/passwd"),
		Dir("gone-dir", 0o755), File("gone-dir/file", 0o644, []byte("x")), Dir("gone-dir/sub", 0o755), File("gone-dir/sub/file", 0o644, []byte("x")),
		File("gone-file", 0o644, []byte("x")),
		Dir("opaque", 0o755), File("opaque/old", 0o644, []byte("old")), Dir("opaque/old-dir", 0o755), File("opaque/old-dir/file", 0o644, nil),
		Dir("becomes-file", 0o755), File("becomes-file/inner", 0o644, nil),
		File("becomes-dir", 0o644, []byte("x")),
		Symlink("becomes-real", "/links"),
		Dir("attributes", 0o700),
		{Header: tar.Header{Typeflag: tar.TypeChar, Name: "null", Mode: 0o666, Devmajor: 1, Devminor: 3}},
		{Header: tar.Header{Typeflag: tar.TypeBlock, Name: "disk", Mode: 0o660, Devmajor: 259, Devminor: 1048575}},
		{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "fifo", Mode: 0o622}},
		File("old", 0o644, nil).At(time.Date(1969, 7, 20, 20, 17, 40, 0, time.UTC)),
		File("precise", 0o644, nil).At(time.Date(2025, 3, 4, 5, 6, 7, 123456789, time.UTC)),
		File("far-owner", 0o644, nil).Owned(2000000, 3000000),
		File("umlaut-\u00e4\u00f6\u00fc \u65e5\u672c", 0o644, []byte("name\n")),
		File("deep/"+strings.Repeat("a-rather-long-directory-name/", 8)+"file", 0o644, []byte("deep\n")),
		File("random", 0o644, noise(1, 3<<20)),
		Dir("sticky", 0o3777),
	}
}

// removals is a layer that takes away and replaces.
func removals() []Entry {
	return []Entry{
		Whiteout("", "gone-file"),
		Whiteout("", "gone-dir"),
		File("opaque/new", 0o644, []byte("new")), // before the marker, which hides only what is below
		Opaque("opaque"),
		File("becomes-file", 0o600, []byte("now a file\n")),
		Dir("becomes-dir", 0o755), File("becomes-dir/inner", 0o644, []byte("inner\n")),
		Dir("becomes-real", 0o755), File("becomes-real/own", 0o644, []byte("not in links\n")),
		Link("links/three", "links/one").Owned(7, 8),
		Whiteout("never/", "was-there"),
	}
}

// returns is a layer that brings removed names back and changes attributes only.
func returns() []Entry {
	return []Entry{
		File("gone-file", 0o600, []byte("back\n")).Owned(1001, 1002),
		Dir("attributes", 0o2775).Owned(12, 34),
		Dir("gone-dir", 0o711),
	}
}

// foreign is an image of another platform, with nothing in it that runs here.
func foreign(platform v1.Platform) (v1.Image, error) {
	layer, err := Layer(File("bin/entry", 0o755, []byte("not for this machine: "+platform.String())))
	if err != nil {
		return nil, err
	}
	return Assemble(platform, v1.Config{Entrypoint: []string{"/bin/entry"}}, layer)
}

// otherPlatform is no index, so its own configuration is what says that it is for another platform.
func otherPlatform(context.Context, Inputs) (Image, error) {
	return foreign(v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"})
}

// large has 60 MB in 3 layers, half of it incompressible, in files of many sizes.
func large(context.Context, Inputs) (Image, error) {
	var layers []v1.Layer
	for i := range uint64(3) {
		var entries []Entry
		for j, size := range []int{1 << 10, 100 << 10, 900 << 10, 9 << 20} {
			name := "data/" + string(rune('a'+i)) + string(rune('0'+j))
			entries = append(entries, File(name+".random", 0o644, noise(i*10+uint64(j), size)),
				File(name+".text", 0o644, []byte(strings.Repeat("all work and no play makes a dull file\n", size/39))))
		}
		layer, err := Layer(entries...)
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	return Assemble(AMD64, v1.Config{Cmd: []string{"/none"}}, layers...)
}

// growing has more files than an image disk has inodes for at first, and then more bytes than it has blocks for.
func growing(context.Context, Inputs) (Image, error) {
	var files []Entry
	for dir := range 26 {
		name := "files/" + string(rune('a'+dir))
		files = append(files, Dir(name, 0o755))
		for i := range 1000 {
			files = append(files, File(fmt.Sprintf("%s/%03d", name, i), 0o644, nil))
		}
	}
	many, err := Layer(files...)
	if err != nil {
		return nil, err
	}
	much, err := Layer(File("zeros", 0o644, make([]byte, 480<<20)))
	if err != nil {
		return nil, err
	}
	return Assemble(AMD64, v1.Config{Cmd: []string{"/none"}}, many, much)
}

// noise is the same for the same seed and does not compress.
func noise(seed uint64, size int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, size)
	rand.NewChaCha8(key).Read(b)
	return b
}
