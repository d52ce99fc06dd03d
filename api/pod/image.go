package pod

import (
	"encoding/json"
	"strings"
)

// imageJSON has the reference in two parts, "registry:5000/web" and ":1": whoever puts another image into a pod as text, as in
// kubectl get -o json | sed | kubectl replace, shall find it in the container and not here, where it does nothing.
type imageJSON struct {
	Repository string `json:"repository"`
	Version    string `json:"version,omitempty"` // with its separator: ":tag", "@digest" or both
	image
}

type image Image

// MarshalJSON splits the reference.
func (i Image) MarshalJSON() ([]byte, error) {
	end := len(i.Reference)
	if at := strings.IndexByte(i.Reference, '@'); at >= 0 {
		end = at
	}
	if colon := strings.LastIndexByte(i.Reference[:end], ':'); colon > strings.LastIndexByte(i.Reference[:end], '/') {
		end = colon
	}
	return json.Marshal(imageJSON{Repository: i.Reference[:end], Version: i.Reference[end:], image: image(i)})
}

// UnmarshalJSON joins the reference.
func (i *Image) UnmarshalJSON(data []byte) error {
	var in imageJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*i = Image(in.image)
	i.Reference = in.Repository + in.Version
	return nil
}
