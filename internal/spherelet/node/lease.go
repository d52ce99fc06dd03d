package node

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	nodeapi "pacific/api/node"
)

// prepareLease before it is renewed: the host's load goes with it, and the node owns it, so that they go together.
func (a *Agent) prepareLease(l *coordinationv1.Lease) error {
	if load := a.loadOf(time.Now()); load != nil {
		metav1.SetMetaDataAnnotation(&l.ObjectMeta, nodeapi.AnnotationLoad, load.String())
	} else {
		delete(l.Annotations, nodeapi.AnnotationLoad)
	}
	if node := a.Node(); node != nil && len(l.OwnerReferences) == 0 {
		l.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1.SchemeGroupVersion.String(), Kind: "Node", Name: node.Name, UID: node.UID}}
	}
	return nil
}
