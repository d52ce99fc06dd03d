package hostagent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/pki"
)

// maintenanceAnnotation marks a node that is unschedulable for maintenance, so that what an administrator has cordoned by himself
// stays so.
const maintenanceAnnotation = "pacific.internal/maintenance"

// kubernetes calls the Kubernetes API as the node.
func (a *Agent) kubernetes(ctx context.Context, method, url, contentType string, body []byte) (*http.Response, error) {
	config, err := pki.ClientConfig(a.Dir.supervisorCA(), a.Dir.cert(centerv1.Purpose_NODE), a.Dir.key(centerv1.Purpose_NODE))
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	return client.Do(request)
}

// nodeState is as much of a Node as the agent knows.
type nodeState struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Unschedulable bool `json:"unschedulable"`
	} `json:"spec"`
}

// cordonPatch is the change that a node needs, nil for none.
func cordonPatch(node nodeState, maintenance bool) []byte {
	_, ours := node.Metadata.Annotations[maintenanceAnnotation]
	switch {
	case maintenance && !node.Spec.Unschedulable:
		return []byte(`{"metadata":{"annotations":{"` + maintenanceAnnotation + `":"true"}},"spec":{"unschedulable":true}}`)
	case !maintenance && ours:
		return []byte(`{"metadata":{"annotations":{"` + maintenanceAnnotation + `":null}},"spec":{"unschedulable":null}}`)
	}
	return nil
}

// cordon keeps new pods away from a host in maintenance.
func (a *Agent) cordon(ctx context.Context, wanted *centerv1.Wanted) error {
	if wanted.GetNode() == nil {
		return nil
	}
	url := wanted.GetNode().GetServer() + "/api/v1/nodes/" + a.config.Name
	node, found, err := a.node(ctx, url)
	switch {
	case err != nil && wanted.GetMaintenance():
		return fmt.Errorf("maintenance: node %s: %w", a.config.Name, err)
	case err != nil || !found: // without a node there are no pods
		return nil
	}
	patch := cordonPatch(node, wanted.GetMaintenance())
	if patch == nil {
		return nil
	}
	response, err := a.kubernetes(ctx, http.MethodPatch, url, "application/merge-patch+json", patch)
	if err != nil {
		return fmt.Errorf("maintenance: node %s: %w", a.config.Name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return fmt.Errorf("maintenance: node %s: %s: %s", a.config.Name, response.Status, text)
	}
	return nil
}

func (a *Agent) node(ctx context.Context, url string) (node nodeState, found bool, err error) {
	response, err := a.kubernetes(ctx, http.MethodGet, url, "", nil)
	if err != nil {
		return node, false, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusNotFound:
		return node, false, nil
	case http.StatusOK:
		return node, true, json.NewDecoder(response.Body).Decode(&node)
	}
	return node, false, fmt.Errorf("%s", response.Status)
}
