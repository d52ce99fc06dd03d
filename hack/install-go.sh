#!/bin/sh
# Makes sure that there is a Go for go.mod. Says nothing when there is, or when the go command can fetch it by itself (any
# Go from 1.21 on). Else it takes any older Go, Debian's if there is none, to download the wanted one as a module, which
# the checksum database vouches for, and unpacks it into .tools/go, which the Makefile puts first in PATH.
set -eu
cd "$(dirname "$0")/.."
wanted=$(sed -n 's/^go //p' go.mod)

fits() {
	command -v go >/dev/null || return 1
	# Inside the module the go command switches to the wanted version; one before 1.21 cannot.
	have=$(GO111MODULE=on go env GOVERSION 2>/dev/null) || return 1
	[ "$(printf '%s\n%s\n' "${have#go}" "$wanted" | sort -V | head -n 1)" = "$wanted" ]
}

fits && exit 0

if ! command -v go >/dev/null; then
	echo "installing: golang-go, to fetch Go $wanted"
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends golang-go >"$log" 2>&1; then
		cat "$log" >&2
		echo "install-go.sh: apt-get could not install golang-go; unpack Go $wanted into /usr/local/go and put its bin into PATH" >&2
		exit 1
	fi
	fits && exit 0
fi

module=golang.org/toolchain@v0.0.1-go$wanted.linux-$(dpkg --print-architecture)
echo "installing: Go $wanted in .tools/go"
# Outside of the module, whose go.mod an old Go cannot read.
answer=$(cd / && GOFLAGS= GO111MODULE=on go mod download -json "$module") || {
	echo "install-go.sh: go could not download $module: $answer" >&2
	echo "  check GOPROXY, or unpack Go $wanted into /usr/local/go and put its bin into PATH" >&2
	exit 1
}
dir=$(printf '%s\n' "$answer" | sed -n 's/^.*"Dir": "\(.*\)",*$/\1/p')
rm -rf .tools/go .tools/go.new
mkdir -p .tools
cp -r "$dir" .tools/go.new
# Files of a module are read-only and lose their executable bit.
chmod -R u+w .tools/go.new
chmod +x .tools/go.new/bin/* .tools/go.new/pkg/tool/*/*
mv .tools/go.new .tools/go
