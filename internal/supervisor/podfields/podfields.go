// Package podfields is an admission plugin that keeps those fields of a Pod by which Pacific's parts work together to the
// one part that writes each, as api/pod says.
//
// Without it, whoever may create a pod could name the image that it runs, past its pull secrets, or the address that it
// sends from; and a pod that is made from another one's manifest, as by kubectl debug --copy-to, would take that one's
// images and address for its own.
package podfields

import (
	"context"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/kubernetes/pkg/apis/core"

	podapi "pacific/api/pod"
)

// PluginName in the kube-apiserver's chain.
const PluginName = "PacificPodFields"

// Users of the Supervisor's parts. That of a host's follows the prefix.
const (
	imageController = "pacific:image-controller"
	ncpController   = "pacific:ncp-controller"
	nodePrefix      = "system:node:"
	dataplanePrefix = "pacific:dataplane:"
)

// Register makes the plugin known.
func Register(plugins *admission.Plugins) {
	plugins.Register(PluginName, func(io.Reader) (admission.Interface, error) {
		return &plugin{admission.NewHandler(admission.Create, admission.Update)}, nil
	})
}

type plugin struct{ *admission.Handler }

var (
	_ admission.MutationInterface   = &plugin{}
	_ admission.ValidationInterface = &plugin{}
)

// Admit gives back to each annotation the value that it had before a request of somebody who is not its writer, and says
// so in a warning. It is not refused: manifests of pods that ran have these annotations.
func (*plugin) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	before, after := pods(a)
	if after == nil {
		return nil
	}
	for _, key := range Restore(before, after, a.GetUserInfo().GetName()) {
		warning.AddWarning(ctx, "", fmt.Sprintf("annotation %s is written by Pacific only; what the request says about it is ignored", key))
	}
	return nil
}

// Validate lets a dataplane write its own condition on pods of its own host, and nothing else.
func (*plugin) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	before, after := pods(a)
	host, isDataplane := strings.CutPrefix(a.GetUserInfo().GetName(), dataplanePrefix)
	if after == nil || !isDataplane {
		return nil
	}
	if before == nil || before.Spec.NodeName != host {
		return admission.NewForbidden(a, fmt.Errorf("the pod is not on host %s", host))
	}
	if !equality.Semantic.DeepEqual(withoutNetworkReady(before), withoutNetworkReady(after)) {
		return admission.NewForbidden(a, fmt.Errorf("a dataplane may write the condition %s of a pod and nothing else", podapi.ConditionNetworkReady))
	}
	return nil
}

// pods of a request; after is nil when the request is not about one, before when it creates one.
func pods(a admission.Attributes) (before, after *core.Pod) {
	if a.GetResource().GroupResource() != core.Resource("pods") {
		return nil, nil
	}
	after, _ = a.GetObject().(*core.Pod) // a Binding and an Eviction are requests about pods too
	before, _ = a.GetOldObject().(*core.Pod)
	return before, after
}

// writers of the annotations: does the user write them for the pod?
var writers = map[string]func(name string, pod *core.Pod) bool{
	podapi.AnnotationImages:          is(imageController),
	podapi.AnnotationImageReferences: is(imageController),
	podapi.AnnotationNetwork:         is(ncpController),
	podapi.AnnotationVMUUID: func(name string, pod *core.Pod) bool {
		return pod.Spec.NodeName != "" && name == nodePrefix+pod.Spec.NodeName
	},
}

func is(writer string) func(string, *core.Pod) bool {
	return func(name string, _ *core.Pod) bool { return name == writer }
}

// Restore sets the annotations of after that the user does not write to what they are in before, or removes them when
// there is no before. It returns the keys of those that it had to change.
func Restore(before, after *core.Pod, userName string) []string {
	var restored []string
	for key, writes := range writers {
		if before != nil && writes(userName, before) {
			continue
		}
		var want string
		var keep bool
		if before != nil {
			want, keep = before.Annotations[key]
		}
		if have, there := after.Annotations[key]; there == keep && have == want {
			continue
		}
		restored = append(restored, key)
		if !keep {
			delete(after.Annotations, key)
			continue
		}
		if after.Annotations == nil {
			after.Annotations = map[string]string{}
		}
		after.Annotations[key] = want
	}
	return restored
}

// withoutNetworkReady is a copy of the pod without what a dataplane may change, and without what every write changes.
func withoutNetworkReady(pod *core.Pod) *core.Pod {
	pod = pod.DeepCopy()
	pod.ManagedFields, pod.ResourceVersion = nil, ""
	conditions := pod.Status.Conditions
	pod.Status.Conditions = nil
	for _, c := range conditions {
		if c.Type != podapi.ConditionNetworkReady {
			pod.Status.Conditions = append(pod.Status.Conditions, c)
		}
	}
	return pod
}
