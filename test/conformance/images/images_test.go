package images

import (
	"strings"
	"testing"

	"k8s.io/kubernetes/test/utils/image"
)

// Where images are pushed is where Registries sends the tests.
func TestReferences(t *testing.T) {
	list := Registries("r:5000")
	for id := range recipes {
		config := image.GetConfig(id)
		ref, err := reference("r:5000", config.GetE2EImage())
		if err != nil {
			t.Error(err)
			continue
		}
		prefix := ref[:strings.LastIndex(ref, "/")]
		if !strings.Contains(list, ": "+prefix+"\n") {
			t.Errorf("%s: %s is not in\n%s", config.GetE2EImage(), prefix, list)
		}
	}
	if _, err := reference("r:5000", "gcr.io/k8s-authenticated-test/agnhost:2.6"); err == nil {
		t.Error("a private registry's image is taken")
	}
}
