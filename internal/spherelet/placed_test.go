package spherelet

import (
	"context"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A pod that was placed by a label which the node has only now is not rejected for what was known before.
func TestLabelThatIsNew(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("before", nil)
	w.await("pod is ready", func() bool { return w.ready("before") })
	ctx := context.Background()
	node, err := w.kube.CoreV1().Nodes().Get(ctx, "host-1", metav1.GetOptions{})
	w.check(err)
	node.Labels["color"] = "green"
	_, err = w.kube.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
	w.check(err)
	w.pod("green", func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"color": "green"} })
	w.await("pod is ready", func() bool { return w.ready("green") })
	w.pod("blue", func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"color": "blue"} })
	w.await("pod is rejected", func() bool { return w.get("blue").Status.Reason == "NodeAffinity" })
}
