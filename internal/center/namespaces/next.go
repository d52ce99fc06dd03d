package namespaces

import (
	corev1 "k8s.io/api/core/v1"

	"pacific/internal/center/namespaces/projection"
)

// action is what a namespace needs next.
type action int

const (
	create    action = iota // the Namespace is not there: make it, or make it again
	apply                   // it is there and center's
	refuse                  // it is there and somebody else's
	awaitEnd                // one of that name is ending, then it is made
	giveUp                  // its owner has deleted it with kubectl: the namespace goes
	deleteNow               // it is to go and still there
	awaitGone               // it is going
	forget                  // it is gone
)

// next decides by the record, by whether the Namespace has been there, and by what is there now. A Namespace that is missing was
// asked for at the Supervisor itself, since a cache may be late.
func next(record Record, projected bool, ns *corev1.Namespace) action {
	owned := ns != nil && projection.Owns(ns, record.UID)
	ending := ns != nil && ns.DeletionTimestamp != nil
	switch {
	case record.Removing && !owned:
		return forget
	case record.Removing && ending:
		return awaitGone
	case record.Removing:
		return deleteNow
	case ns == nil && record.SelfService && (projected || record.Adopted):
		return giveUp
	case ns == nil:
		return create
	case !owned && ending:
		return awaitEnd
	case !owned:
		return refuse
	case ending && record.SelfService:
		return giveUp
	case ending:
		return awaitEnd
	}
	return apply
}
