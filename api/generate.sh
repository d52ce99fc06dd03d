#!/bin/sh
# Regenerates the Go code of the .proto files. Needs protoc with its well-known types (Debian: protobuf-compiler, libprotobuf-dev).
# The plugins are installed at the versions below.
set -eu
cd "$(dirname "$0")/.."
GOBIN="$PWD/.tools" && export GOBIN
go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.0
go install github.com/containerd/ttrpc/cmd/protoc-gen-go-ttrpc@v1.2.8
PATH="$GOBIN:$PATH"
protoc -I api --go_out=. --go_opt=module=pacific --go-grpc_out=. --go-grpc_opt=module=pacific api/host/v1/host.proto api/center/v1/hosts.proto api/supervisor/v1/member.proto
for p in agent fetcher; do
	protoc -I api --go_out=. --go_opt=module=pacific --go-ttrpc_out=. --go-ttrpc_opt=module=pacific "api/$p/v1/$p.proto"
done
