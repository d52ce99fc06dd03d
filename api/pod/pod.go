// Package pod is the contract between the controllers that together make a Native Pod run: who writes which annotation
// and condition of the Pod object, in which form. Every field has one writer:
//
//	image controller   AnnotationImages, AnnotationImageReferences
//	ncp controller     AnnotationNetwork, condition ConditionAddressAllocated
//	dataplane          condition ConditionNetworkReady
//	spherelet          AnnotationVMUUID and the rest of the status
package pod

import (
	"fmt"
	"strings"
)

// Annotations of a Native Pod.
const (
	// AnnotationImages holds Images as JSON. Written by the image controller.
	AnnotationImages = "pacific.internal/images"
	// AnnotationImageReferences maps container names to image digests as JSON, under the name that the original uses.
	AnnotationImageReferences = "vmware-system-image-references"
	// AnnotationNetwork holds Network as JSON. Written by the ncp controller.
	AnnotationNetwork = "pacific.internal/network"
	// AnnotationVMUUID is the id of the pod's machine on its host. Written by the spherelet.
	AnnotationVMUUID = "vmware-system-vm-uuid"
)

// ConditionNetworkReady is True once the pod's port on its host passes traffic. Written by the dataplane.
const ConditionNetworkReady = "pacific.internal/NetworkReady"

// ConditionAddressAllocated is False while the pod's node has no free address, with a message that says so. A pod that
// never had to wait does not have it. Written by the ncp controller.
const ConditionAddressAllocated = "pacific.internal/AddressAllocated"

// Images is the state of a pod's images, by container name (init and ephemeral containers included), and by VolumeKey for
// image volumes.
type Images map[string]Image

// volumePrefix cannot be part of a container's name.
const volumePrefix = "volume/"

// VolumeKey is the key of Images for the image volume (spec.volumes[].image) with this name.
func VolumeKey(volume string) string { return volumePrefix + volume }

// IsVolumeKey tells whether a key of Images is that of a volume.
func IsVolumeKey(key string) bool { return strings.HasPrefix(key, volumePrefix) }

// Image is the state of the image of one container on the pod's host.
type Image struct {
	// Reference is the image as the container names it.
	Reference string `json:"-"`
	// Digest of the platform's manifest, "sha256:…"; set when the host has the image.
	Digest string `json:"digest,omitempty"`
	// Reason is empty when the host has the image or the pull goes on, else the kubelet's reason:
	// ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName.
	Reason string `json:"reason,omitempty"`
	// Message is for people, in the registry's or the check's own words.
	Message string `json:"message,omitempty"`
}

// Ready tells whether the host has the image.
func (i Image) Ready() bool { return i.Digest != "" }

// Network is the port of a pod.
type Network struct {
	// Addresses in CIDR form; the first is the pod's IP. A routed port has full-length prefixes.
	Addresses []string `json:"addresses"`
	MAC       string   `json:"mac"`
	// Gateways are on link and have GatewayMAC as permanent neighbour entry.
	Gateways   []string `json:"gateways"`
	GatewayMAC string   `json:"gatewayMAC"`
	MTU        int      `json:"mtu"`
}

// MachineID is the id of a pod's machine on its host.
func MachineID(uid string) string { return uid }

// EphemeralDiskID is the id of a pod's ephemeral disk on its host.
func EphemeralDiskID(uid string) string { return fmt.Sprintf("%s-ephemeral", uid) }
