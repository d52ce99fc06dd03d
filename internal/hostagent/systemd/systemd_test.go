package systemd

import (
	"strings"
	"testing"
)

func TestTheUnitLeavesDaemonsAlone(t *testing.T) {
	unit := text([]string{"/opt/a b/pacific", "host", "agent", "--dir=/x%y"})
	for _, line := range []string{`ExecStart="/opt/a b/pacific" "host" "agent" "--dir=/x%%y"`, "KillMode=process", "WantedBy=multi-user.target"} {
		if !strings.Contains(unit, line+"\n") {
			t.Errorf("%q is not in\n%s", line, unit)
		}
	}
}
