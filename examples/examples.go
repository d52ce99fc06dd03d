// Package examples holds the manifests that pacific demo applies.
package examples

import _ "embed"

// Web is the demo's manifest. IMAGE in it stands for the image's reference.
//
//go:embed web/manifest.yaml
var Web string
