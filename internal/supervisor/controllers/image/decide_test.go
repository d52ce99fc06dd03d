package image

import (
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"pacific/api/pod"
)

func TestDecide(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c := image{key: "main", image: "app:1", policy: corev1.PullIfNotPresent}
	ready := pod.Image{Reference: "app:1", Digest: "sha256:a"}
	failed := func(ago time.Duration, failures int) attempt {
		return attempt{image: "app:1", failures: failures, failedAt: now.Add(-ago), reason: reasonPull, message: "no such image"}
	}
	shownError := pod.Image{Reference: "app:1", Reason: reasonPull, Message: "no such image"}
	shownBackOff := pod.Image{Reference: "app:1", Reason: reasonBackOff, Message: `Back-off pulling image "app:1": ErrImagePull: no such image`}
	for _, test := range []struct {
		name     string
		c        image
		recorded pod.Image
		attempt  attempt
		want     pod.Image
		start    bool
		next     time.Duration // from now, 0 for never
	}{
		{name: "new pod", c: c, want: pod.Image{Reference: "app:1"}, start: true},
		{name: "pull goes on", c: c, attempt: attempt{image: "app:1", running: true}, want: pod.Image{Reference: "app:1"}},
		{name: "pulled", c: c, attempt: attempt{image: "app:1", digest: "sha256:a"}, want: ready},
		{name: "written down by a controller before", c: c, recorded: ready, want: ready},
		{name: "failure of a controller before", c: c, recorded: shownBackOff, want: shownBackOff, start: true},
		{name: "image was changed", c: c, recorded: pod.Image{Reference: "app:0", Digest: "sha256:0"}, want: pod.Image{Reference: "app:1"}, start: true},
		{name: "image was changed during the pull", c: c, attempt: attempt{image: "app:0", running: true}, want: pod.Image{Reference: "app:1"}, start: true},
		{name: "has failed just now", c: c, attempt: failed(0, 1), want: shownError, next: errorShown},
		{name: "failed a moment ago", c: c, attempt: failed(4*time.Second, 1), want: shownBackOff, next: 6 * time.Second},
		{name: "back-off is over", c: c, attempt: failed(10*time.Second, 1), want: shownBackOff, start: true},
		{name: "second back-off", c: c, attempt: failed(10*time.Second, 2), want: shownBackOff, next: 10 * time.Second},
		{name: "back-off has a limit", c: c, attempt: failed(299*time.Second, 50), want: shownBackOff, next: time.Second},
		{name: "next try goes on", c: c, attempt: attempt{image: "app:1", running: true, failures: 1, failedAt: now.Add(-time.Minute), reason: reasonPull, message: "no such image"}, want: shownBackOff},
		{name: "success after failures", c: c, attempt: attempt{image: "app:1", digest: "sha256:a", failures: 3, reason: reasonPull}, recorded: shownBackOff, want: ready},
		{name: "never pull", c: c, attempt: attempt{image: "app:1", failures: 1, failedAt: now, reason: reasonNever, message: "not present"},
			want: pod.Image{Reference: "app:1", Reason: reasonNever, Message: "not present"}, next: 10 * time.Second},
		{name: "host does not answer", c: c, attempt: attempt{image: "app:1", failures: 9, failedAt: now, message: "hostd of node host-1: gone"},
			want: pod.Image{Reference: "app:1", Message: "hostd of node host-1: gone"}, next: hostRetryDelay},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := decide(now, []image{test.c}, pod.Images{"main": test.recorded}, map[string]attempt{"main": test.attempt})
			if got := d.images["main"]; !reflect.DeepEqual(got, test.want) {
				t.Errorf("image: got %+v, want %+v", got, test.want)
			}
			if (len(d.start) == 1) != test.start {
				t.Errorf("start: %v", d.start)
			}
			if test.next == 0 && !d.next.IsZero() || test.next != 0 && d.next.Sub(now) != test.next {
				t.Errorf("next: %v", d.next)
			}
		})
	}
}

func TestDecideBadName(t *testing.T) {
	d := decide(time.Now(), []image{{key: "main", image: "NOT/Valid:"}}, nil, nil)
	got := d.images["main"]
	if got.Reason != reasonBadName || !strings.Contains(got.Message, "invalid reference format") || len(d.start) != 0 {
		t.Errorf("%+v", d)
	}
}

// TestDecideMany: the soonest of all containers' times counts, and containers do not wait for each other.
func TestDecideMany(t *testing.T) {
	now := time.Now()
	d := decide(now, []image{{key: "a", image: "a"}, {key: "b", image: "b"}, {key: "c", image: "c"}}, nil, map[string]attempt{
		"a": {image: "a", failures: 3, failedAt: now.Add(-10 * time.Second), reason: reasonPull},
		"b": {image: "b", failures: 1, failedAt: now.Add(-5 * time.Second), reason: reasonPull},
	})
	if d.next.Sub(now) != 5*time.Second || len(d.start) != 1 || d.start[0].key != "c" {
		t.Errorf("%+v", d)
	}
}

// TestDecideLost: until something runs from an image the host is asked for it, and what it has lost is pulled again.
func TestDecideLost(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ready := pod.Image{Reference: "app:1", Digest: "sha256:a"}
	waits := image{key: "main", image: "app:1", waits: true}
	pinned := image{key: "main", image: "app:1", waits: true, pinned: true}
	lost := attempt{image: "app:1", lost: "sha256:a"}
	failed := attempt{image: "app:1", lost: "sha256:a", failures: 1, failedAt: now.Add(-time.Second), reason: reasonPull, message: "gone"}
	for _, test := range []struct {
		name    string
		want    image
		attempt attempt
		show    pod.Image
		does    string
		digest  string
		next    time.Duration
	}{
		{"runs", image{key: "main", image: "app:1"}, attempt{}, ready, "", "", 0},
		{"never looked for", waits, attempt{}, ready, "check", "sha256:a", checkInterval},
		{"pulled just now", waits, attempt{image: "app:1", digest: "sha256:a", checkedAt: now}, ready, "", "", checkInterval},
		{"looked for a while ago", waits, attempt{image: "app:1", checkedAt: now.Add(-checkInterval)}, ready, "check", "sha256:a", checkInterval},
		{"lost before the pod ran", waits, lost, pod.Image{Reference: "app:1"}, "start", "", 0},
		{"lost by a pod that has run", pinned, lost, ready, "start", "sha256:a", 0},
		{"lost, and the pull has failed", waits, failed, pod.Image{Reference: "app:1", Reason: reasonPull, Message: "gone"}, "", "", errorShown - time.Second},
		{"lost by a pod that has run, and the pull has failed", pinned, failed, ready, "", "", 9 * time.Second},
		{"another digest was pulled", waits, attempt{image: "app:1", digest: "sha256:b", checkedAt: now}, pod.Image{Reference: "app:1", Digest: "sha256:b"}, "", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := decide(now, []image{test.want}, pod.Images{"main": ready}, map[string]attempt{"main": test.attempt})
			if d.images["main"] != test.show {
				t.Errorf("shows %+v", d.images["main"])
			}
			does, digest := "", ""
			for _, i := range d.start {
				does, digest = "start", i.digest
			}
			for _, i := range d.check {
				does, digest = "check", i.digest
			}
			if does != test.does || digest != test.digest {
				t.Errorf("does %q with %q", does, digest)
			}
			if test.next == 0 && !d.next.IsZero() || test.next != 0 && d.next.Sub(now) != test.next {
				t.Errorf("next: %v", d.next)
			}
		})
	}
}

func TestWanted(t *testing.T) {
	p := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "i", Image: "init"}},
		Containers:     []corev1.Container{{Name: "c", Image: "app", ImagePullPolicy: corev1.PullNever}},
		Volumes: []corev1.Volume{
			{Name: "other"},
			{Name: "v", VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: "data", PullPolicy: corev1.PullAlways}}},
			{Name: "none", VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{}}},
		},
	}}
	want := []image{
		{key: "i", image: "init", waits: true},
		{key: "c", image: "app", policy: corev1.PullNever, waits: true},
		{key: "volume/v", image: "data", policy: corev1.PullAlways, waits: true},
	}
	if got := wanted(p); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "i", ContainerID: "x", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}}
	want[0].waits, want[2].waits = false, false
	for i := range want {
		want[i].pinned = true
	}
	if got := wanted(p); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	values, err := annotations(pod.Images{"c": {Reference: "app", Digest: "sha256:a"}, "volume/v": {Reference: "data", Digest: "sha256:b"}})
	if err != nil || values[pod.AnnotationImageReferences] != `{"c":"sha256:a"}` || !strings.Contains(values[pod.AnnotationImages], "volume/v") {
		t.Error(values, err)
	}
}

func TestBackOff(t *testing.T) {
	var got []time.Duration
	for failures := 1; failures <= 7; failures++ {
		got = append(got, backOff(failures)/time.Second)
	}
	if want := []time.Duration{10, 20, 40, 80, 160, 300, 300}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
