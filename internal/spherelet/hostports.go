package spherelet

import (
	"net"
	"strconv"

	v1 "k8s.io/api/core/v1"

	"pacific/internal/spherelet/admission"
)

// ports of the host that its daemons listen on: pods cannot have them. Those of the spherelet and hostd are as the flags say,
// the others are the defaults of their programs.
func (o *Options) ports() []admission.Reserved {
	out := []admission.Reserved{
		{Protocol: v1.ProtocolTCP, Port: 7444, By: "hostd (metrics)"},
		{Protocol: v1.ProtocolTCP, Port: 10249, By: "the dataplane (health)"},
		{Protocol: v1.ProtocolUDP, Port: 4789, By: "the overlay"},
	}
	for by, address := range map[string]string{"the spherelet": o.Listen, "hostd": o.Hostd} {
		_, port, _ := net.SplitHostPort(address)
		if number, err := strconv.ParseInt(port, 10, 32); err == nil {
			out = append(out, admission.Reserved{Protocol: v1.ProtocolTCP, Port: int32(number), By: by})
		}
	}
	return out
}
