package server

import (
	"context"
	"io"
	"net/http"

	"k8s.io/cri-streaming/pkg/streaming/portforward"

	"pacific/internal/channel"
	"pacific/internal/spherelet/podworker"
)

func (s *Server) portForward(w http.ResponseWriter, r *http.Request) {
	worker := s.find(w, r)
	if worker == nil {
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, r, forwarder{worker}, r.PathValue("pod"), r.PathValue("uid"), options,
		idleTimeout, creationTimeout, portforward.SupportedProtocols)
}

// forwarder implements portforward.PortForwarder.
type forwarder struct{ worker *podworker.Worker }

func (f forwarder) PortForward(ctx context.Context, _, _ string, port int32, client io.ReadWriteCloser) error {
	link, err := f.worker.Link()
	if err != nil {
		return err
	}
	pod, err := link.Open(ctx, channel.Header{Kind: channel.KindPort, Port: port})
	if err != nil {
		return err
	}
	defer pod.Close()
	defer context.AfterFunc(ctx, func() { pod.Close() })()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.Copy(pod, client)
		closeWrite(pod)
	}()
	// The end of what the pod sends is the end of the connection: kubectl does not send more after it.
	_, err = io.Copy(client, pod)
	client.Close()
	<-sent
	return err
}
