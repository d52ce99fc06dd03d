package images

import (
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"k8s.io/kubernetes/test/utils/image"

	"pacific/internal/imagebuild"
)

// recipes follow the Dockerfiles of test/images and build/pause in k8s.io/kubernetes. What upstream takes from Alpine comes
// from busybox and Debian.
var recipes = map[image.ImageID]recipe{
	image.Agnhost:         agnhost,
	image.AgnhostPrev:     agnhost,
	image.APIServer:       {programs: map[string]string{"sample-apiserver": "sample-apiserver"}, config: v1.Config{Entrypoint: []string{"/sample-apiserver"}}},
	image.BusyBox:         {packages: []string{"bash-static"}, entries: []imagebuild.Entry{secondShell}, config: v1.Config{Cmd: []string{"sh"}}},
	image.Etcd:            {programs: map[string]string{"usr/local/bin/etcd": "etcd"}, entries: []imagebuild.Entry{imagebuild.Dir("var/etcd", 0o700)}, config: v1.Config{Cmd: []string{"/usr/local/bin/etcd"}}},
	image.GlibcDnsTesting: {packages: []string{"bind9-dnsutils"}, config: v1.Config{Cmd: []string{"sh"}}},
	image.Kitten:          pictures("kitten"),
	image.Nautilus:        pictures("nautilus"),
	image.Nginx:           nginx,
	image.NginxNew:        nginx,
	image.Nonewprivs:      {programs: map[string]string{"usr/local/bin/nnp": "nnp"}, setuid: true, config: v1.Config{Cmd: []string{"nnp"}}},
	image.NonRoot:         {config: v1.Config{Cmd: []string{"sh"}, User: "1234"}},
	image.Pause:           {programs: map[string]string{"pause": "pause"}, bare: true, config: v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535"}},
}

// shell passes on variables whose names are no identifiers, as a newer busybox does and that of Debian does not.
var shell = imagebuild.Symlink("bin/sh", "bash-static")

// secondShell is the same where /bin/sh has to be that of busybox for its words: it comes first in the search path.
var secondShell = imagebuild.Symlink("usr/bin/sh", "../../bin/bash-static")

// osRelease: upstream's images are made from Alpine Linux, which a test looks for.
var osRelease = imagebuild.File("etc/os-release", 0o644, []byte("ID=pacific-test-image\nPRETTY_NAME=\"busybox and Debian packages in place of Alpine Linux\"\n"))

const agnhostPasswd = `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh
`

const agnhostGroup = `root:x:0:
nogroup:x:65534:
user-defined-in-image:x:1000:
group-defined-in-image:x:50000:user-defined-in-image
`

var agnhost = recipe{
	programs: map[string]string{"agnhost": "agnhost"},
	files: map[string]string{
		"localhost.crt": "test/images/agnhost/porter/localhost.crt",
		"localhost.key": "test/images/agnhost/porter/localhost.key",
	},
	packages: []string{"bash-static", "bind9-dnsutils", "curl", "iproute2", "netcat-openbsd"},
	entries: []imagebuild.Entry{
		imagebuild.Dir("uploads", 0o755),
		imagebuild.Symlink("agnhost-2", "agnhost"),
		imagebuild.Symlink("bin/nc", "nc.openbsd"),
		shell,
		osRelease,
		imagebuild.File("etc/passwd", 0o644, []byte(agnhostPasswd)),
		imagebuild.File("etc/group", 0o644, []byte(agnhostGroup)),
	},
	config: v1.Config{
		Entrypoint:   []string{"/agnhost"},
		Cmd:          []string{"pause"},
		ExposedPorts: map[string]struct{}{"80/tcp": {}, "8080/tcp": {}, "8081/tcp": {}, "9376/tcp": {}, "5000/tcp": {}},
	},
}

// pictures is an image whose web server has one picture.
func pictures(name string) recipe {
	return recipe{
		programs: map[string]string{"agnhost": "agnhost"},
		files: map[string]string{
			name + ".jpg": "test/images/" + name + "/html/" + name + ".jpg",
			"data.json":   "test/images/" + name + "/html/data.json",
		},
		entries: []imagebuild.Entry{osRelease},
		config:  v1.Config{Entrypoint: []string{"/agnhost"}, Cmd: []string{"test-webserver"}, ExposedPorts: map[string]struct{}{"80/tcp": {}}},
	}
}

const nginxConf = `worker_processes auto;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events {}
http {
    include /etc/nginx/mime.types;
    access_log /dev/stdout;
    server {
        listen 80;
        root /usr/share/nginx/html;
    }
}
`

var nginx = recipe{
	packages: []string{"nginx"},
	entries: []imagebuild.Entry{
		imagebuild.Dir("run", 0o755), imagebuild.Dir("var/log", 0o755), imagebuild.Dir("var/log/nginx", 0o755), imagebuild.Dir("var/lib/nginx", 0o755),
		imagebuild.File("etc/nginx/nginx.conf", 0o644, []byte(nginxConf)),
		imagebuild.File("usr/share/nginx/html/index.html", 0o644, []byte("<!DOCTYPE html>\n<title>Welcome to nginx!</title>\n<h1>Welcome to nginx!</h1>\n")),
	},
	config: v1.Config{Cmd: []string{"nginx", "-g", "daemon off; user root;"}, ExposedPorts: map[string]struct{}{"80/tcp": {}}, StopSignal: "SIGQUIT"},
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
