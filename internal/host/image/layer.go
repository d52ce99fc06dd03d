package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"log/slog"
	"net"

	"pacific/internal/channel"
	"pacific/internal/host/image/layercache"
)

// LayerLimit is how much of a datastore layers may take: a tenth of it, 20 GiB at most, and nothing that is needed to keep
// it below the point where images are collected.
func LayerLimit(stateDir string, policy GarbagePolicy) uint64 {
	disk, err := spaceOf(stateDir)
	if err != nil || policy.excess(disk) > 0 {
		return 0
	}
	return min(disk.size/10, maxLayers)
}

const maxLayers = 20 << 30

// layerKeeper keeps the layers of one registry. What it reads it does not look into.
type layerKeeper struct {
	cache    *layercache.Cache
	registry string
}

// serve passes a layer through the cache. The digest that is computed on the way is the host's own, so that a fetcher that
// hostile content has taken over can put nothing under another's name.
func (k layerKeeper) serve(ctx context.Context, req *channel.LayerRequest, stream net.Conn) {
	if k.cache == nil || req == nil || req.Size < 0 || checkDigest(req.Digest) != nil {
		channel.WriteLine(stream, channel.LayerReply{Error: "this host keeps no layers"})
		return
	}
	layer, err := k.cache.Take(ctx, k.registry, hexOf(req.Digest), req.Size)
	if err != nil {
		channel.WriteLine(stream, channel.LayerReply{Error: err.Error()})
		return
	}
	defer layer.Release()
	sum := sha256.New()
	if err := passThrough(stream, layer, req.Size, sum); err != nil {
		return // what came stays, for the next try
	}
	got := digestOf(sum)
	if got == req.Digest {
		err = layer.Keep()
	} else {
		err = layer.Discard()
	}
	if err != nil {
		slog.Warn("cannot keep layer", "registry", k.registry, "digest", req.Digest, "err", err)
	}
	channel.WriteLine(stream, channel.Sum{Digest: got})
}

func passThrough(stream net.Conn, layer *layercache.Layer, size int64, sum hash.Hash) error {
	if err := channel.WriteLine(stream, channel.LayerReply{Have: layer.Have}); err != nil {
		return err
	}
	have := layer.Have
	if have > 0 {
		if _, err := io.CopyN(io.MultiWriter(sum, stream), layer.File, have); err != nil {
			return err
		}
	}
	_, err := io.CopyN(io.MultiWriter(sum, layer), stream, size-have)
	return err
}

// serveSum computes the digest of what comes.
func serveSum(stream net.Conn) {
	sum := sha256.New()
	if _, err := io.Copy(sum, stream); err == nil {
		channel.WriteLine(stream, channel.Sum{Digest: digestOf(sum)})
	}
}

func digestOf(sum hash.Hash) string { return "sha256:" + hex.EncodeToString(sum.Sum(nil)) }
