package plan

import (
	"fmt"
	"strings"
)

// String lists the network one object a line.
func (n Network) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "bridge %s %s\n", n.Bridge, n.Gateway)
	fmt.Fprintf(&b, "table %s masquerades %s\n", n.Table, n.Subnet)
	for _, m := range n.Machines {
		device := "eth0"
		if m.Bridge != "" {
			device = m.Bridge + " with eth0"
		}
		fmt.Fprintf(&b, "namespace %s %s %s on %s\n", m.Namespace, device, m.Address, m.Port)
	}
	return b.String()
}
