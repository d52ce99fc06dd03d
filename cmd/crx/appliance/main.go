// Appliance is the personality of a CRX kernel's machine that runs the one program of an image. See docs/control-plane-image.md.
package main

import "pacific/internal/crx/appliance"

func main() { appliance.Main() }
