package qemu

import (
	"context"

	"pacific/internal/host/vmm"
)

// DiskCounters implements vmm.DiskCounter. The guest takes no part in it.
func (c *connection) DiskCounters(ctx context.Context) (map[int]vmm.DiskCounters, error) {
	var devices []struct {
		// QOM path of the device, "/machine/peripheral/disk0/..." or the id.
		QDev  string `json:"qdev"`
		Stats struct {
			ReadBytes    uint64 `json:"rd_bytes"`
			WrittenBytes uint64 `json:"wr_bytes"`
			Reads        uint64 `json:"rd_operations"`
			Writes       uint64 `json:"wr_operations"`
			Flushes      uint64 `json:"flush_operations"`
		} `json:"stats"`
	}
	if err := c.qmp.execute(ctx, "query-blockstats", nil, &devices); err != nil {
		return nil, err
	}
	counters := map[int]vmm.DiskCounters{}
	for _, device := range devices {
		if lun, ok := lunOf(device.QDev); ok {
			counters[lun] = vmm.DiskCounters(device.Stats)
		}
	}
	return counters, nil
}
