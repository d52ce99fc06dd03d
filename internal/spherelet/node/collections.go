package node

import (
	"math"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"

	hostv1 "pacific/api/host/v1"
)

// AllImages asks hostd to remove all that is unused, whatever that is; that it is less is no failure.
const AllImages = math.MaxInt64

// reasonCollection is the kubelet's.
const reasonCollection = "ImageGCFailed"

// collections of the host's images that failed become events of the node, each once.
type collections struct {
	events record.EventRecorder // nil: nobody is told
	node   *v1.ObjectReference
	told   time.Time // when the last one was that has been looked at
}

func (c *collections) tell(last *hostv1.GarbageCollection) {
	at := last.GetAt().AsTime()
	if c.events == nil || last == nil || !at.After(c.told) {
		return
	}
	c.told = at
	if last.Error != "" && last.WantedBytes < AllImages {
		c.events.Event(c.node, v1.EventTypeWarning, reasonCollection, last.Error)
	}
}
