#!/bin/sh
# Says nothing when the Go that go.mod asks for is there or can be fetched by the go command, else how to get it.
set -eu
cd "$(dirname "$0")/.."
wanted=$(sed -n 's/^go //p' go.mod)

advice() {
	cat >&2 <<TEXT
check-go.sh: $1
  Building Pacific needs Go $wanted. Any Go from 1.21 on fetches it by itself (GOTOOLCHAIN=auto), as the package
  golang-go of bookworm-backports does; Debian 12's own golang-go (1.19) is too old.
    with backports in your apt sources:   apt-get install -t bookworm-backports golang-go
    or unpack Go $wanted into /usr/local/go and put /usr/local/go/bin into PATH
TEXT
	exit 1
}

command -v go >/dev/null || advice "there is no go command"
# Inside the module the go command switches to the wanted version, or says why it cannot.
have=$(GO111MODULE=on go env GOVERSION 2>&1) || advice "$have"
oldest=$(printf '%s\n%s\n' "${have#go}" "$wanted" | sort -V | head -n 1)
[ "$oldest" = "$wanted" ] || advice "Go is ${have#go}"
