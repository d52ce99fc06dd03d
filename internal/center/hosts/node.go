package hosts

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/klog/v2"

	podapi "pacific/api/pod"
	"pacific/internal/center/store"
	"pacific/internal/pki"
)

// NodeRemover is what [Supervisors] may be too.
type NodeRemover interface {
	// RemoveNode deletes the Node of a host that is none any more; no error where there is no Node, or no Supervisor.
	RemoveNode(ctx context.Context, name string) error
}

// removeNodes deletes the Nodes that removed hosts have left, as soon as their Supervisor answers.
func (h *Hosts) removeNodes(ctx context.Context) error {
	remover, ok := h.config.Supervisors.(NodeRemover)
	if !ok {
		return nil
	}
	gone, err := h.records.removed.List(ctx)
	for _, item := range gone {
		if !item.Value.NodeLeft {
			continue
		}
		// Another host with the name has its Node by now.
		_, _, nameErr := h.records.names.Get(ctx, item.Value.Name)
		if errors.Is(nameErr, store.ErrNotFound) {
			nameErr = remover.RemoveNode(ctx, item.Value.Name)
		}
		if nameErr != nil {
			err = errors.Join(err, fmt.Errorf("node %s of a removed host: %w", item.Value.Name, nameErr))
			continue
		}
		item.Value.NodeLeft = false
		err = errors.Join(err, h.records.removed.Put(ctx, item.ID, item.Value, item.Revision))
	}
	return err
}

func (h *Hosts) nodeRemover(ctx context.Context) {
	changed := h.records.removed.Watch(ctx)
	ticker := time.NewTicker(lostAfter)
	defer ticker.Stop()
	for {
		if err := h.removeNodes(ctx); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Cannot delete what removed hosts left; will try again")
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-ticker.C:
		}
	}
}

// RemoveNode implements [NodeRemover].
func (s OneSupervisor) RemoveNode(ctx context.Context, name string) error {
	return s.call(ctx, http.MethodDelete, "/api/v1/nodes/"+name, nil)
}

// PodAddresses are the addresses of the Supervisor's pods, by the id of their machine.
func (s OneSupervisor) PodAddresses(ctx context.Context) (map[string]string, error) {
	var pods struct {
		Items []struct {
			Metadata struct {
				UID string `json:"uid"`
			} `json:"metadata"`
			Status struct {
				PodIP string `json:"podIP"`
			} `json:"status"`
		} `json:"items"`
	}
	err := s.call(ctx, http.MethodGet, "/api/v1/pods?resourceVersion=0", &pods)
	addresses := map[string]string{}
	for _, pod := range pods.Items {
		addresses[podapi.MachineID(pod.Metadata.UID)] = pod.Status.PodIP
	}
	return addresses, err
}

// call is one of the Kubernetes API, by a certificate that lives for it. Where there is no Supervisor, or no such object, nothing
// happens.
func (s OneSupervisor) call(ctx context.Context, method, path string, into any) error {
	ca, err := s.load()
	if err != nil || ca == nil {
		return err
	}
	config, err := administrator(ca)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.Server+path, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotFound:
		return nil
	case response.StatusCode != http.StatusOK:
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return fmt.Errorf("%s: %s", response.Status, text)
	case into == nil:
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}

func administrator(ca *pki.CA) (*tls.Config, error) {
	key, text, err := pki.NewKey()
	if err != nil {
		return nil, err
	}
	request, err := pki.Request(key)
	if err != nil {
		return nil, err
	}
	cert, err := ca.Sign(request, pki.Leaf{CommonName: "pacific:center", Organizations: []string{"pacific:admins"}, Client: true}, 10*time.Minute)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, text)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca.Pool(), Certificates: []tls.Certificate{pair}}, err
}
