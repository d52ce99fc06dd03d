package image

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/util/parsers"

	"pacific/api/pod"
)

// Reasons of the kubelet for an image that a container does not have.
const (
	reasonPull     = "ErrImagePull"
	reasonBackOff  = "ImagePullBackOff"
	reasonNever    = "ErrImageNeverPull"
	reasonBadName  = "InvalidImageName"
	firstBackOff   = 10 * time.Second
	maxBackOff     = 5 * time.Minute
	hostRetryDelay = 2 * time.Second
	// errorShown is how long a failure shows as ErrImagePull before it becomes ImagePullBackOff, as the kubelet's next
	// look at a pod does.
	errorShown = 3 * time.Second
)

// container is what the decision needs of a container.
type container struct {
	name, image string
	policy      corev1.PullPolicy
}

// attempt is what this process knows of the image of one container. A restarted controller begins with none.
type attempt struct {
	image    string // a changed image makes the attempt void
	running  bool
	digest   string // success
	failures int
	failedAt time.Time
	reason   string // of the last failure; empty if the host could not be asked
	message  string
}

// decision is what to do for a pod now.
type decision struct {
	images pod.Images
	start  []container
	// next is when to look again; zero for not before something changes.
	next time.Time
}

// decide says which pulls to start and what to write down, from the pod's containers, what was written down before, and
// the attempts of this process.
func decide(now time.Time, containers []container, recorded pod.Images, attempts map[string]attempt) decision {
	d := decision{images: pod.Images{}}
	for _, c := range containers {
		image, start, next := decideOne(now, c, recorded[c.name], attempts[c.name])
		d.images[c.name] = image
		if start {
			d.start = append(d.start, c)
		}
		if !next.IsZero() && (d.next.IsZero() || next.Before(d.next)) {
			d.next = next
		}
	}
	return d
}

func decideOne(now time.Time, c container, recorded pod.Image, a attempt) (image pod.Image, start bool, next time.Time) {
	image = pod.Image{Reference: c.image}
	if recorded.Reference != c.image {
		recorded = image
	}
	if a.image != c.image {
		a = attempt{}
	}
	switch {
	case recorded.Ready():
		return recorded, false, next
	case a.digest != "":
		image.Digest = a.digest
		return image, false, next
	}
	if err := checkName(c.image); err != nil {
		image.Reason, image.Message = reasonBadName, fmt.Sprintf("Failed to apply default image tag %q: %v", c.image, err)
		return image, false, next
	}
	if a.failures == 0 {
		// What a controller before this one found stays shown until this one knows better.
		return recorded, !a.running, next
	}
	if a.running {
		return backingOff(c, a), false, next
	}
	retry := a.retryAt()
	switch {
	case !now.Before(retry):
		return backingOff(c, a), true, next
	case a.reason != reasonPull:
		image.Reason, image.Message = a.reason, a.message
		return image, false, retry
	case now.Before(a.failedAt.Add(errorShown)):
		image.Reason, image.Message = a.reason, a.message
		return image, false, earlier(retry, a.failedAt.Add(errorShown))
	}
	return backingOff(c, a), false, retry
}

// backingOff is how a container waits for the next try, or during it.
func backingOff(c container, a attempt) pod.Image {
	image := pod.Image{Reference: c.image, Reason: a.reason, Message: a.message}
	if a.reason == reasonPull {
		image.Reason = reasonBackOff
		image.Message = fmt.Sprintf("Back-off pulling image %q: %s: %s", c.image, reasonPull, a.message)
	}
	return image
}

func (a attempt) retryAt() time.Time {
	if a.reason == "" {
		return a.failedAt.Add(hostRetryDelay)
	}
	return a.failedAt.Add(backOff(a.failures))
}

// backOff after so many failures: 10 s, doubling up to 5 min.
func backOff(failures int) time.Duration {
	delay := firstBackOff
	for range failures - 1 {
		if delay *= 2; delay >= maxBackOff {
			return maxBackOff
		}
	}
	return delay
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func checkName(image string) error {
	_, _, _, err := parsers.ParseImageName(image)
	return err
}

// containersOf lists the containers of a pod of every kind.
func containersOf(p *corev1.Pod) []container {
	var all []container
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for _, c := range list {
			all = append(all, container{c.Name, c.Image, c.ImagePullPolicy})
		}
	}
	for _, c := range p.Spec.EphemeralContainers {
		all = append(all, container{c.Name, c.Image, c.ImagePullPolicy})
	}
	return all
}

// wantsImages tells whether a pod's images are to be had: it is bound, and neither over nor on its way out.
func wantsImages(p *corev1.Pod) bool {
	return p.Spec.NodeName != "" && p.DeletionTimestamp == nil &&
		p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}
