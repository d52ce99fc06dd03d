package pid1

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// quietSettings let an idle machine sleep. The kernel looks every five seconds for neighbours that it is to probe, in each family, though
// nobody asks for that here; once an hour will do.
var quietSettings = map[string]string{
	"/proc/sys/net/ipv4/neigh/default/interval_probe_time_ms": "3600000",
	"/proc/sys/net/ipv6/neigh/default/interval_probe_time_ms": "3600000",
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
