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
	// checkInterval is between two looks for an image that is there but that nothing runs from yet.
	checkInterval = 30 * time.Second
)

// image is what the decision needs of one container or image volume.
type image struct {
	key, image string // key of the annotation
	policy     corev1.PullPolicy
	// waits tells that nothing runs from the image yet, so that it is needed on the host's record.
	waits bool
	// pinned tells that the pod has run with the image that was resolved first, and has to get exactly that again.
	pinned bool
	digest string // to look for or to pull, set by the decision
}

// attempt is what this process knows of one image. A restarted controller begins with none.
type attempt struct {
	image     string // a changed image makes the attempt void
	running   bool
	digest    string // success
	checkedAt time.Time
	lost      string // digest that the annotation promises and the host has no more
	failures  int
	failedAt  time.Time
	reason    string // of the last failure; empty if the host could not be asked
	message   string
}

// decision is what to do for a pod now.
type decision struct {
	images pod.Images
	start  []image
	check  []image
	// next is when to look again; zero for not before something changes.
	next time.Time
}

// decide says which pulls to start, which images to look for, and what to write down, from the images that the pod wants,
// what was written down before, and the attempts of this process.
func decide(now time.Time, wanted []image, recorded pod.Images, attempts map[string]attempt) decision {
	d := decision{images: pod.Images{}}
	for _, want := range wanted {
		one := decideOne(now, want, recorded[want.key], attempts[want.key])
		d.images[want.key] = one.show
		switch {
		case one.start:
			d.start = append(d.start, one.want)
		case one.check:
			d.check = append(d.check, one.want)
		}
		d.next = soonest(d.next, one.next)
	}
	return d
}

// soonest ignores zero times.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// verdict is the decision about one image.
type verdict struct {
	show         pod.Image
	want         image // to start with or to check
	start, check bool
	next         time.Time
}

func decideOne(now time.Time, c image, recorded pod.Image, a attempt) verdict {
	v := verdict{show: pod.Image{Reference: c.image}, want: c}
	if recorded.Reference != c.image {
		recorded = v.show
	}
	if a.image != c.image {
		a = attempt{}
	}
	switch {
	case a.digest != "" && a.digest != recorded.Digest:
		v.show.Digest = a.digest
		return v
	case recorded.Ready() && a.lost != recorded.Digest:
		return v.present(now, recorded, a)
	case a.lost != "" && c.pinned:
		v.show, v.want.digest = recorded, a.lost
		return v.pull(now, a, func() pod.Image { return recorded })
	case a.lost != "":
		recorded = v.show
	}
	if err := checkName(c.image); err != nil {
		v.show.Reason, v.show.Message = reasonBadName, fmt.Sprintf("Failed to apply default image tag %q: %v", c.image, err)
		return v
	}
	if a.failures == 0 {
		// What a controller before this one found stays shown until this one knows better.
		v.show, v.start = recorded, !a.running
		return v
	}
	return v.pull(now, a, func() pod.Image { return backingOff(c, a) })
}

// present is about an image that the annotation promises: from time to time the host is asked for it until something runs
// from it, since it may be lost in between.
func (v verdict) present(now time.Time, recorded pod.Image, a attempt) verdict {
	v.show, v.want.digest = recorded, recorded.Digest
	if !v.want.waits {
		return v
	}
	due := a.checkedAt.Add(checkInterval)
	v.check = !now.Before(due)
	if v.check {
		due = now.Add(checkInterval)
	}
	v.next = due
	return v
}

// pull starts the next try when the back-off is over. later is what to show while it waits or runs.
func (v verdict) pull(now time.Time, a attempt, later func() pod.Image) verdict {
	retry := a.retryAt()
	switch {
	case a.running:
		v.show = later()
	case !now.Before(retry):
		v.show, v.start = later(), true
	case v.show.Ready():
		v.next = retry
	case a.reason != reasonPull:
		v.show.Reason, v.show.Message, v.next = a.reason, a.message, retry
	case now.Before(a.failedAt.Add(errorShown)):
		v.show.Reason, v.show.Message, v.next = a.reason, a.message, soonest(retry, a.failedAt.Add(errorShown))
	default:
		v.show, v.next = later(), retry
	}
	return v
}

// backingOff is how a container waits for the next try, or during it.
func backingOff(c image, a attempt) pod.Image {
	image := pod.Image{Reference: c.image, Reason: a.reason, Message: a.message}
	if a.reason == reasonPull {
		image.Reason = reasonBackOff
		image.Message = fmt.Sprintf("Back-off pulling image %q: %s: %s", c.image, reasonPull, a.message)
	}
	return image
}

func (a attempt) retryAt() time.Time {
	if a.failures == 0 {
		return time.Time{}
	}
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

func checkName(image string) error {
	_, _, _, err := parsers.ParseImageName(image)
	return err
}

// wanted lists the images of a pod: those of its containers of every kind, and of its image volumes.
func wanted(p *corev1.Pod) []image {
	var all []image
	running, pinned := hasRun(p)
	add := func(key, name string, policy corev1.PullPolicy, waits bool) {
		all = append(all, image{key: key, image: name, policy: policy, waits: waits, pinned: pinned})
	}
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for _, c := range list {
			add(c.Name, c.Image, c.ImagePullPolicy, !running[c.Name])
		}
	}
	for _, c := range p.Spec.EphemeralContainers {
		add(c.Name, c.Image, c.ImagePullPolicy, !running[c.Name])
	}
	for _, v := range p.Spec.Volumes {
		if v.Image != nil && v.Image.Reference != "" {
			add(pod.VolumeKey(v.Name), v.Image.Reference, v.Image.PullPolicy, !pinned)
		}
	}
	return all
}

// hasRun tells which containers run or have ended, and whether one of the pod ever ran.
func hasRun(p *corev1.Pod) (containers map[string]bool, any bool) {
	containers = map[string]bool{}
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses} {
		for _, c := range list {
			containers[c.Name] = c.State.Running != nil || c.State.Terminated != nil
			any = any || c.ContainerID != ""
		}
	}
	return containers, any
}

// wantsImages tells whether a pod's images are to be had: it is bound, and neither over nor on its way out.
func wantsImages(p *corev1.Pod) bool {
	return p.Spec.NodeName != "" && p.DeletionTimestamp == nil &&
		p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}
