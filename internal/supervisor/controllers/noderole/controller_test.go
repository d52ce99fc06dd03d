package noderole

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
)

func TestEveryNodeGetsTheRole(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client := fake.NewClientset(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "before"}})
	factory := informers.NewSharedInformerFactory(client, 0)
	controller, err := NewController(client, factory)
	if err != nil {
		t.Fatal(err)
	}
	factory.Start(ctx.Done())
	go func() { _ = controller.Run(ctx) }()
	factory.WaitForCacheSync(ctx.Done())
	after := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "after", Labels: map[string]string{"kept": "yes"}}}
	if _, err := client.CoreV1().Nodes().Create(ctx, after, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"before", "after"} {
		err := wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			return err == nil && labelled(node), err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	node, err := client.CoreV1().Nodes().Get(ctx, "after", metav1.GetOptions{})
	if err != nil || node.Labels["kept"] != "yes" {
		t.Errorf("got %v, %v", node.Labels, err)
	}
}
