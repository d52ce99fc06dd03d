package floating

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
)

// LeaseName of the Lease, in kube-system, that says who has the address.
const LeaseName = "pacific-floating-address"

// lease is the Lease as seen through the kube-apiserver of this member: who can renew it has a kube-apiserver that works,
// and that has a majority of etcd behind it.
type lease struct {
	client   kubernetes.Interface
	self     string
	duration time.Duration

	record *coordinationv1.Lease // as last read or written
	seen   observed
}

func newLease(kubeconfig, self string, duration time.Duration) (*lease, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	config.QPS, config.UserAgent = -1, "pacific-floating-address"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &lease{client: client, self: self, duration: duration}, nil
}

// healthy tells whether the kube-apiserver of this member calls itself ready.
func (l *lease) healthy(ctx context.Context) bool {
	_, err := l.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err == nil
}

// read the Lease, and make it where there is none.
func (l *lease) read(ctx context.Context) error {
	leases := l.client.CoordinationV1().Leases(metav1.NamespaceSystem)
	record, err := leases.Get(ctx, LeaseName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		record, err = leases.Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: LeaseName}}, metav1.CreateOptions{})
	}
	if err != nil {
		return err
	}
	l.see(record)
	return nil
}

// write makes holder the holder, if nobody has written since the Lease was read.
func (l *lease) write(ctx context.Context, holder string) error {
	record := l.record.DeepCopy()
	now := metav1.NowMicro()
	if had := ptr.Deref(record.Spec.HolderIdentity, ""); had != holder {
		record.Spec.AcquireTime = &now
		record.Spec.LeaseTransitions = ptr.To(ptr.Deref(record.Spec.LeaseTransitions, 0) + 1)
	}
	record.Spec.HolderIdentity, record.Spec.RenewTime = &holder, &now
	record.Spec.LeaseDurationSeconds = ptr.To(int32(l.duration.Round(time.Second) / time.Second))
	record, err := l.client.CoordinationV1().Leases(metav1.NamespaceSystem).Update(ctx, record, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	l.see(record)
	return nil
}

func (l *lease) see(record *coordinationv1.Lease) {
	if l.record == nil || l.record.UID != record.UID || l.record.ResourceVersion != record.ResourceVersion {
		l.seen = observed{holder: ptr.Deref(record.Spec.HolderIdentity, ""), since: time.Now()}
	}
	l.record = record
}
