package metrics

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Proportional reads the proportional set size of a process. See proc_pid_smaps(5).
func Proportional(pid int32) (uint64, bool) {
	if pid <= 0 {
		return 0, false
	}
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, false
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "Pss:" {
			kilobytes, err := strconv.ParseUint(fields[1], 10, 64)
			return kilobytes << 10, err == nil
		}
	}
	return 0, false
}
