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
		fmt.Fprintf(&b, "namespace %s eth0 %s on %s\n", m.Namespace, m.Address, m.Port)
	}
	return b.String()
}
