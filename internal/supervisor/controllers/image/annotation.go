package image

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"

	"pacific/api/pod"
)

// recorded reads the annotation. One that cannot be read is as good as none: it is written anew.
func recorded(p *corev1.Pod) pod.Images {
	var images pod.Images
	if json.Unmarshal([]byte(p.Annotations[pod.AnnotationImages]), &images) != nil {
		return nil
	}
	return images
}

// annotations are the values to write.
func annotations(images pod.Images) (map[string]string, error) {
	references := map[string]string{}
	for name, image := range images {
		if image.Ready() && !pod.IsVolumeKey(name) {
			references[name] = image.Digest
		}
	}
	state, err := json.Marshal(images)
	if err != nil {
		return nil, err
	}
	digests, err := json.Marshal(references)
	return map[string]string{pod.AnnotationImages: string(state), pod.AnnotationImageReferences: string(digests)}, err
}

// untold tells whether nothing was written about the pod's images yet.
func untold(p *corev1.Pod) bool {
	_, told := p.Annotations[pod.AnnotationImages]
	return !told
}

// news tells whether there is more to say than that the images are looked for, which is what nothing says too.
func news(images pod.Images) bool {
	for _, image := range images {
		if image.Ready() || image.Reason != "" || image.Message != "" {
			return true
		}
	}
	return false
}

// differs tells whether a pod lacks one of the values.
func differs(p *corev1.Pod, values map[string]string) bool {
	for key, value := range values {
		if p.Annotations[key] != value {
			return true
		}
	}
	return false
}

// patch is a merge patch for this very pod: the API server refuses it when another has taken the name.
func patch(p *corev1.Pod, values map[string]string) ([]byte, error) {
	return json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.UID, "annotations": values}})
}
