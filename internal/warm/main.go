// Package main only keeps the module's requirements while the programs are being written.
package main

import (
	_ "github.com/containerd/containerd/v2/pkg/archive"
	_ "github.com/containerd/ttrpc"
	_ "github.com/distribution/distribution/v3/registry"
	_ "github.com/erofs/go-erofs"
	_ "github.com/google/go-containerregistry/pkg/authn"
	_ "github.com/google/go-containerregistry/pkg/name"
	_ "github.com/google/go-containerregistry/pkg/v1/mutate"
	_ "github.com/google/go-containerregistry/pkg/v1/remote"
	_ "github.com/google/go-containerregistry/pkg/registry"
	_ "github.com/hashicorp/yamux"
	_ "github.com/cavaliergopher/cpio"
	_ "github.com/cockroachdb/datadriven"
	_ "github.com/opencontainers/cgroups"
	_ "github.com/opencontainers/runc/libcontainer/configs"
	_ "github.com/spf13/cobra"
	_ "github.com/vishvananda/netlink"
	_ "github.com/vishvananda/netns"
	_ "go.etcd.io/etcd/server/v3/embed"
	_ "k8s.io/cri-streaming/pkg/streaming"
	_ "k8s.io/kubernetes/cmd/kube-apiserver/app"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	_ "k8s.io/kubernetes/cmd/kube-scheduler/app"
	_ "k8s.io/kubernetes/pkg/proxy/nftables"
	_ "k8s.io/kubectl/pkg/cmd"
	_ "sigs.k8s.io/controller-runtime"
	_ "sigs.k8s.io/knftables"
	_ "golang.org/x/time/rate"
	_ "github.com/google/uuid"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "k8s.io/kubernetes/third_party/forked/golang/expansion"
)

func main() {}
