package runtime

import (
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// SetResources changes the container's CPU and memory limits and its CPU share while it runs. A memory limit below what the
// container uses is an error and changes nothing: the kernel would end the container for it.
func (c *Container) SetResources(r *specs.LinuxResources) error {
	return c.set(func(limits *cgroups.Resources) {
		limits.MemoryCheckBeforeUpdate = true
		limits.Memory, limits.MemorySwap = -1, 0
		if m := r.Memory; m != nil {
			limits.Memory, limits.MemorySwap = *m.Limit, *m.Swap
		}
		limits.CpuPeriod, limits.CpuQuota = 100_000, -1
		if r.CPU.Quota != nil {
			limits.CpuPeriod, limits.CpuQuota = *r.CPU.Period, *r.CPU.Quota
		}
		limits.CpuShares = *r.CPU.Shares
		limits.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(*r.CPU.Shares)
	})
}

// set changes limits of the container's group, but not its devices.
func (c *Container) set(change func(*cgroups.Resources)) error {
	config := c.c.Config()
	group, limits := *config.Cgroups, *config.Cgroups.Resources
	group.Resources, config.Cgroups = &limits, &group
	limits.SkipDevices = true
	change(&limits)
	err := c.c.Set(config)
	limits.SkipDevices = false // or nothing could be executed in the container any more
	return err
}
