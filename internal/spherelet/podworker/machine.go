package podworker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	agentv1 "pacific/api/agent/v1"
	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
	"pacific/internal/spherelet/podspec"
	"pacific/internal/spherelet/podstarts"
	"pacific/internal/spherelet/sizing"
	"pacific/internal/spherelet/status"
)

// ephemeralBytes is the size of a pod's writable disk: what all its containers write, logs and emptyDirs included. The
// disk is sparse, so this is a bound, not a cost; ten gigabytes is what a container has with other runtimes' defaults.
const ephemeralBytes = 10 << 30

// Labels of a pod's machine and disk on the host.
const (
	LabelNamespace = "namespace"
	LabelName      = "name"
	LabelUID       = "uid"
)

func labels(pod *v1.Pod) map[string]string {
	return map[string]string{LabelNamespace: pod.Namespace, LabelName: pod.Name, LabelUID: string(pod.UID)}
}

func ephemeralDisk(pod *v1.Pod) *hostv1.Disk {
	var limits int64
	for _, c := range pod.Spec.Containers {
		limits += c.Resources.Limits.StorageEphemeral().Value()
	}
	return &hostv1.Disk{
		Id:         podapi.EphemeralDiskID(string(pod.UID)),
		SizeBytes:  uint64(max(ephemeralBytes, limits)),
		Filesystem: "ext4",
		Labels:     labels(pod),
	}
}

func machineSpec(pod *v1.Pod, hostCPUs uint32, hostMemory uint64) *hostv1.VirtualMachineSpec {
	size := sizing.Of(pod, hostCPUs).Within(hostMemory)
	guarantee := sizing.GuaranteeOf(pod, size, hostMemory)
	return &hostv1.VirtualMachineSpec{
		Id:           podapi.MachineID(string(pod.UID)),
		Name:         pod.Namespace + "/" + pod.Name,
		Type:         &hostv1.VirtualMachineSpec_Crx{Crx: &hostv1.Crx{Mode: hostv1.Crx_MANAGED, Personality: "agent"}},
		Vcpus:        size.VCPUs,
		MemoryBytes:  size.MemoryBytes,
		Ports:        []*hostv1.Port{{Name: "eth0"}},
		Disks:        []*hostv1.DiskAttachment{{DiskId: podapi.EphemeralDiskID(string(pod.UID)), DeleteWithMachine: true}},
		Labels:       labels(pod),
		ResourcePool: pod.Namespace,

		MemoryReservationBytes: guarantee.MemoryBytes,
		CpuShares:              guarantee.Shares,
		OomScoreAdj:            guarantee.OOMScoreAdj,
	}
}

// attach plugs the images' disks into the machine, each once, side by side.
func (w *Worker) attach(ctx context.Context) error {
	w.mu.Lock()
	pod := w.pod
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()

	known := Images(pod)
	byDigest := map[string][]string{} // containers
	reference := map[string]podapi.Image{}
	for container, image := range known {
		if image.Ready() {
			byDigest[image.Digest] = append(byDigest[image.Digest], container)
			reference[image.Digest] = image
		}
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var problems []error
	images := map[string]podspec.Image{}
	for digest, containers := range byDigest {
		all.Go(func() {
			image, err := w.attachImage(ctx, reference[digest])
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				problems = append(problems, err)
			}
			for _, c := range containers {
				image.Reference = known[c].Reference
				images[c] = image
			}
		})
	}
	all.Wait()
	if err := errors.Join(problems...); err != nil {
		w.node.Events.Event(pod, v1.EventTypeWarning, "FailedAttachImage", err.Error())
		return err
	}
	w.mu.Lock()
	w.images = images
	w.mu.Unlock()
	w.node.Starts.Reached(w.uid, podstarts.Image, time.Now())
	return nil
}

func (w *Worker) attachImage(ctx context.Context, known podapi.Image) (podspec.Image, error) {
	image, err := w.findImage(ctx, known)
	if err != nil {
		return podspec.Image{}, fmt.Errorf("image %s is not on the host: %w", known.Reference, err)
	}
	disk, err := w.node.Host.Machines.AttachDisk(ctx, &hostv1.AttachDiskRequest{
		MachineId: podapi.MachineID(w.uid),
		Disk:      &hostv1.DiskAttachment{DiskId: image.DiskId, ReadOnly: true},
	})
	if err != nil {
		return podspec.Image{}, fmt.Errorf("attach disk %s of image %s: %w", image.DiskId, known.Reference, err)
	}
	return podspec.Image{Digest: image.Digest, LUN: disk.Lun, Filesystem: image.Filesystem, Config: image.Config}, nil
}

// findImage asks for exactly the digest that the image controller resolved; the tag may have moved since.
func (w *Worker) findImage(ctx context.Context, known podapi.Image) (*hostv1.Image, error) {
	image, err := w.node.Host.Images.Get(ctx, &hostv1.GetImageRequest{Reference: status.Repository(known.Reference) + "@" + known.Digest})
	if grpcstatus.Code(err) != codes.NotFound {
		return image, err
	}
	list, err := w.node.Host.Images.List(ctx, &hostv1.ListImagesRequest{})
	if err != nil {
		return nil, err
	}
	for _, image := range list.Images {
		if image.Digest == known.Digest {
			return image, nil
		}
	}
	return nil, grpcstatus.Errorf(codes.NotFound, "no image with digest %s; the image controller will pull it again", known.Digest)
}

// ephemeralLUN finds the pod's own disk among those of the machine.
func ephemeralLUN(m *hostv1.VirtualMachine, uid string) (*agentv1.Disk, error) {
	for _, d := range m.GetSpec().GetDisks() {
		if d.DiskId == podapi.EphemeralDiskID(uid) {
			return &agentv1.Disk{Lun: d.Lun, Filesystem: "ext4"}, nil
		}
	}
	return nil, fmt.Errorf("machine %s has no disk %s", podapi.MachineID(uid), podapi.EphemeralDiskID(uid))
}

// exit is how the machine ended; called with the lock held.
func (w *Worker) exit() *Exit {
	if w.kept.Exit != nil && w.machine == nil {
		return w.kept.Exit
	}
	e := w.machine.GetLastExit()
	if e == nil {
		return &Exit{Reason: "MachineLost", Message: "the virtual machine is not on its host any more", At: time.Now()}
	}
	message := e.Message
	if message == "" {
		message = fmt.Sprintf("the virtual machine ended (exit code %d, signal %d)", e.ExitCode, e.Signal)
	}
	return &Exit{Reason: e.Reason, Message: message, At: e.At.AsTime()}
}

// complainOfExit is called with the lock held.
func (w *Worker) complainOfExit(m *hostv1.VirtualMachine) {
	e := w.exit()
	klog.InfoS("Machine of pod ended", "pod", klog.KRef(w.kept.Namespace, w.kept.Name), "reason", e.Reason, "message", e.Message, "starts", m.Starts)
	if w.pod != nil && w.pod.DeletionTimestamp == nil && w.state.Outcome == NoOutcome && !w.state.Pod.Terminal {
		w.node.Events.Eventf(w.pod, v1.EventTypeWarning, "VirtualMachineEnded", "The pod's virtual machine ended: %s: %s", e.Reason, e.Message)
	}
}

func (w *Worker) complainOfMachine(verb string, err error) error {
	if err == nil {
		return nil
	}
	w.mu.Lock()
	pod := w.pod
	w.mu.Unlock()
	if text := noPoolMemory(pod.Namespace, w.node.Name, err); text != "" {
		w.node.Events.Event(pod, v1.EventTypeWarning, EventNamespaceMemoryLimit, text)
		return errors.New(text)
	}
	err = fmt.Errorf("%s the virtual machine: %w", verb, err)
	w.node.Events.Eventf(pod, v1.EventTypeWarning, "FailedCreatePodSandBox", "Failed to %v", err)
	return err
}
