package hostv1

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
)

// GatewayAddress is the link-local gateway of every routed port. It is never on a wire: the guest has a permanent
// neighbour entry for it and the host answers for any address.
const GatewayAddress = "169.254.1.1"

// GatewayMAC is the hardware address of the host's end of every port. All taps of a host may share it, since each is a
// link of its own.
const GatewayMAC = "ee:ee:ee:ee:ee:ee"

// TapName is the name of the tap of the first port of the machine with this id; at most 15 characters (IFNAMSIZ-1).
func TapName(machineID string) string {
	h := sha256.Sum256([]byte(machineID))
	return "tap" + hex.EncodeToString(h[:])[:12]
}

// MAC is the hardware address of the guest's end of the first port of the machine with this id: locally administered,
// unicast, derived, so that it survives every restart.
func MAC(machineID string) string {
	h := sha256.Sum256([]byte("mac/" + machineID))
	return net.HardwareAddr{0x02, 0x50, 0x56, h[0], h[1], h[2]}.String()
}
