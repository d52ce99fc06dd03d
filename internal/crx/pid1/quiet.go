package pid1

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// quietSettings let an idle machine sleep.
//
//   - The kernel looks every five seconds for neighbours that it is to probe, in each family, though nobody asks for that here; once an
//     hour will do.
//   - It looks twice a second whether memory is to be compacted before anyone needs that, which was nearly all that an idle pod's machine did.
//     It still compacts when large pages are needed.
var quietSettings = map[string]string{
	"/proc/sys/net/ipv4/neigh/default/interval_probe_time_ms": "3600000",
	"/proc/sys/net/ipv6/neigh/default/interval_probe_time_ms": "3600000",
	"/proc/sys/vm/compaction_proactiveness":                   "0",
}

func quieten() error {
	for path, value := range quietSettings {
		err := os.WriteFile(path, []byte(value), 0o644)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // another kernel
			return fmt.Errorf("set %s to %s: %w", path, value, err)
		}
	}
	return nil
}
