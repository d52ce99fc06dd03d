package image

import (
	"fmt"
	"time"

	hostv1 "pacific/api/host/v1"
)

// firstProgress is when a pull first tells how far it is; each next time is twice as late, so that a pull of an hour has
// nine events and stays below the limits that the API has for events of one object.
const firstProgress = 10 * time.Second

// telling decides which progress of one pull is worth an event.
type telling struct {
	image string
	began time.Time // of the pull; zero while it waits for its turn
	next  time.Time
}

func (t *telling) hear(now time.Time, p *hostv1.PullProgress) (text string, tell bool) {
	if t.began.IsZero() {
		t.began, t.next = now, now.Add(firstProgress)
	}
	if now.Before(t.next) {
		return "", false
	}
	t.next = t.began.Add(2 * now.Sub(t.began))
	if p.BytesTotal == 0 {
		return fmt.Sprintf("Pulling image %q: %s", t.image, p.Stage), true
	}
	return fmt.Sprintf("Pulling image %q: %s, %d%% (%d of %d bytes)", t.image, p.Stage, p.BytesDone*100/p.BytesTotal, p.BytesDone, p.BytesTotal), true
}
