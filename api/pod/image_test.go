package pod

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestImageJSON(t *testing.T) {
	for reference, want := range map[string]string{
		"r:5000/web:1":           `{"repository":"r:5000/web","version":":1"}`,
		"r:5000/web":             `{"repository":"r:5000/web"}`,
		"web":                    `{"repository":"web"}`,
		"r/web@sha256:ab":        `{"repository":"r/web","version":"@sha256:ab"}`,
		"r:5000/web:1@sha256:ab": `{"repository":"r:5000/web","version":":1@sha256:ab"}`,
		"web:":                   `{"repository":"web","version":":"}`,
		"@/:":                    `{"repository":"","version":"@/:"}`,
		"":                       `{"repository":""}`,
	} {
		data, err := json.Marshal(Image{Reference: reference})
		if err != nil || string(data) != want {
			t.Errorf("%q: %s, %v; want %s", reference, data, err, want)
		}
		full := Images{"c": {Reference: reference, Digest: "sha256:1", Reason: "r", Message: "m"}}
		if data, err = json.Marshal(full); err != nil {
			t.Fatal(err)
		}
		var back Images
		if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, full) {
			t.Errorf("%q: %v, %v", reference, back, err)
		}
	}
}
