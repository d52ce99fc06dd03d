package wcp

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// VMClass is a size of virtual machines. The record's id is the class's.
type VMClass struct {
	CPUCount          int64           `json:"cpu_count"`
	MemoryMiB         int64           `json:"memory_mb"`
	CPUReservation    int64           `json:"cpu_reservation,omitempty"`    // percent
	MemoryReservation int64           `json:"memory_reservation,omitempty"` // percent
	Devices           Devices         `json:"devices"`
	ConfigSpec        json.RawMessage `json:"config_spec,omitempty"` // VirtualMachineConfigSpec
	Description       string          `json:"description"`
}

// Devices of a class.
type Devices struct {
	DirectPathIO []DirectPathIODevice `json:"direct_path_io_devices,omitempty"`
	VGPU         []VGPUDevice         `json:"vgpu_devices,omitempty"`
}

// DirectPathIODevice is a device of the host that a machine gets as it is.
type DirectPathIODevice struct {
	CustomLabel string `json:"custom_label,omitempty"`
	DeviceID    int64  `json:"device_id"`
	VendorID    int64  `json:"vendor_id"`
}

// VGPUDevice is a share of a graphics processor.
type VGPUDevice struct {
	ProfileName string `json:"profile_name"`
}

// classSpec is the body of create and update. The memory has another spelling in than out, as in the original.
type classSpec struct {
	ID                string          `json:"id"`
	CPUCount          *int64          `json:"cpu_count"`
	MemoryMiB         *int64          `json:"memory_MB"`
	CPUReservation    *int64          `json:"cpu_reservation"`
	MemoryReservation *int64          `json:"memory_reservation"`
	Devices           *Devices        `json:"devices"`
	ConfigSpec        json.RawMessage `json:"config_spec"`
	Description       *string         `json:"description"`
}

// classInfo is a class as it is shown.
type classInfo struct {
	ID string `json:"id"`
	VMClass
	ConfigStatus string   `json:"config_status"`
	Messages     []string `json:"messages"`
	Namespaces   []string `json:"namespaces"`
	VMs          []string `json:"vms"`
}

const (
	maxClassCPUs      = 960              // of one machine in the original
	maxClassMemoryMiB = 24 * 1024 * 1024 // 24 TiB
)

// Classes are the virtual machine classes of all clusters.
type Classes struct {
	records store.Collection[VMClass]
	// Users tells which namespaces have a class; may be nil.
	Users func(ctx context.Context) (map[string][]string, error)
}

// NewClasses keeps classes in the store.
func NewClasses(s *store.Store) *Classes {
	return &Classes{records: store.Of[VMClass](s, "vm-classes")}
}

const gibMiB = 1024

// builtin are the classes that a new center has; they may be changed and deleted like others.
func builtin() map[string]VMClass {
	sizes := []struct {
		name        string
		cpus, gibes int64
	}{
		{"xsmall", 2, 2}, {"small", 2, 4}, {"medium", 2, 8}, {"large", 4, 16},
		{"xlarge", 4, 32}, {"2xlarge", 8, 64}, {"4xlarge", 16, 128}, {"8xlarge", 32, 128},
	}
	classes := map[string]VMClass{}
	for _, size := range sizes {
		class := VMClass{CPUCount: size.cpus, MemoryMiB: size.gibes * gibMiB}
		classes["best-effort-"+size.name] = class
		class.CPUReservation, class.MemoryReservation = 100, 100
		classes["guaranteed-"+size.name] = class
	}
	return classes
}

// EnsureBuiltin makes the first classes once, in one transaction with the mark that it was done.
func (c *Classes) EnsureBuiltin(ctx context.Context, s *store.Store) error {
	ops := []store.Op{store.Of[bool](s, "marks").CreateOp("builtin-vm-classes", true)}
	for id, class := range builtin() {
		ops = append(ops, c.records.CreateOp(id, class))
	}
	if err := s.Commit(ctx, ops...); !errors.Is(err, store.ErrExists) {
		return err
	}
	return nil
}

// Exists tells whether there is a class of that id.
func (c *Classes) Exists(ctx context.Context, id string) (bool, error) {
	_, _, err := c.records.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Routes of the classes.
func (c *Classes) Routes() []rest.Route {
	const path = base + "/virtual-machine-classes"
	return []rest.Route{
		{Method: "GET", Path: path, Access: rest.Reader, Handle: c.list},
		{Method: "POST", Path: path, Handle: c.create},
		{Method: "GET", Path: path + "/{class}", Access: rest.Reader, Handle: c.get},
		{Method: "PATCH", Path: path + "/{class}", Handle: c.update},
		{Method: "DELETE", Path: path + "/{class}", Handle: c.delete},
	}
}

func (c *Classes) list(r *rest.Request) (any, error) {
	items, err := c.records.List(r.Context())
	if err != nil {
		return nil, err
	}
	users, err := c.users(r.Context())
	if err != nil {
		return nil, err
	}
	infos := make([]classInfo, 0, len(items))
	for _, item := range items {
		infos = append(infos, show(item.ID, item.Value, users[item.ID]))
	}
	return infos, nil
}

func (c *Classes) users(ctx context.Context) (map[string][]string, error) {
	if c.Users == nil {
		return nil, nil
	}
	return c.Users(ctx)
}

func show(id string, class VMClass, users []string) classInfo {
	if users == nil {
		users = []string{}
	}
	return classInfo{ID: id, VMClass: class, ConfigStatus: "READY", Messages: []string{}, Namespaces: users, VMs: []string{}}
}

func (c *Classes) get(r *rest.Request) (any, error) {
	id := r.PathValue("class")
	class, _, err := c.records.Get(r.Context(), id)
	if err != nil {
		return nil, classError(id, err)
	}
	users, err := c.users(r.Context())
	if err != nil {
		return nil, err
	}
	return show(id, class, users[id]), nil
}

func classError(id string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return vapi.NotFound("vmclass.not_found", "there is no virtual machine class %s; GET %s/virtual-machine-classes lists them", id, base)
	case errors.Is(err, store.ErrExists):
		return vapi.AlreadyExists("vmclass.exists", "virtual machine class %s exists already; change it with PATCH or choose another id", id)
	}
	return err
}

func (c *Classes) create(r *rest.Request) (any, error) {
	var spec classSpec
	if err := r.Decode(&spec); err != nil {
		return nil, err
	}
	if problems := validation.IsDNS1123Subdomain(spec.ID); len(problems) > 0 {
		return nil, vapi.InvalidArgument("vmclass.id", "id %q: %s", spec.ID, strings.Join(problems, "; "))
	}
	if spec.CPUCount == nil || spec.MemoryMiB == nil {
		return nil, vapi.InvalidArgument("vmclass.size", "class %s: cpu_count and memory_MB are needed", spec.ID)
	}
	class, err := spec.apply(VMClass{})
	if err != nil {
		return nil, err
	}
	return nil, classError(spec.ID, c.records.Create(r.Context(), spec.ID, class))
}

func (c *Classes) update(r *rest.Request) (any, error) {
	id := r.PathValue("class")
	var spec classSpec
	if err := r.Decode(&spec); err != nil {
		return nil, err
	}
	if spec.ID != "" && spec.ID != id {
		return nil, vapi.InvalidArgument("vmclass.id", "the id of class %s cannot change to %s; create another class", id, spec.ID)
	}
	_, err := c.records.Update(r.Context(), id, func(class *VMClass) error {
		changed, err := spec.keepZero().apply(*class)
		*class = changed
		return err
	})
	return nil, classError(id, err)
}

// keepZero treats sizes of zero as not given, as clients send them that change something else.
func (s classSpec) keepZero() classSpec {
	if s.CPUCount != nil && *s.CPUCount == 0 {
		s.CPUCount = nil
	}
	if s.MemoryMiB != nil && *s.MemoryMiB == 0 {
		s.MemoryMiB = nil
	}
	return s
}

func (c *Classes) delete(r *rest.Request) (any, error) {
	id := r.PathValue("class")
	users, err := c.users(r.Context())
	if err != nil {
		return nil, err
	}
	if len(users[id]) > 0 {
		return nil, vapi.NotAllowedInCurrentState("vmclass.used", "class %s is assigned to namespaces %s; take it from them first", id, strings.Join(users[id], ", "))
	}
	return nil, classError(id, c.records.Delete(r.Context(), id))
}

// apply makes a class of what was there and what is wanted.
func (s classSpec) apply(class VMClass) (VMClass, error) {
	set(&class.CPUCount, s.CPUCount)
	set(&class.MemoryMiB, s.MemoryMiB)
	set(&class.CPUReservation, s.CPUReservation)
	set(&class.MemoryReservation, s.MemoryReservation)
	set(&class.Devices, s.Devices)
	set(&class.Description, s.Description)
	if len(s.ConfigSpec) > 0 && string(s.ConfigSpec) != "null" {
		class.ConfigSpec = slices.Clone(s.ConfigSpec)
	}
	return class, class.validate()
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func (c VMClass) validate() error {
	switch {
	case c.CPUCount < 1 || c.CPUCount > maxClassCPUs:
		return vapi.InvalidArgument("vmclass.cpu_count", "cpu_count %d: give 1 to %d", c.CPUCount, maxClassCPUs)
	case c.MemoryMiB < 4 || c.MemoryMiB > maxClassMemoryMiB || c.MemoryMiB%4 != 0:
		return vapi.InvalidArgument("vmclass.memory", "memory_MB %d: give a multiple of 4 from 4 to %d", c.MemoryMiB, maxClassMemoryMiB)
	case c.CPUReservation < 0 || c.CPUReservation > 100:
		return vapi.InvalidArgument("vmclass.cpu_reservation", "cpu_reservation %d: give percent, 0 to 100", c.CPUReservation)
	case c.MemoryReservation < 0 || c.MemoryReservation > 100:
		return vapi.InvalidArgument("vmclass.memory_reservation", "memory_reservation %d: give percent, 0 to 100", c.MemoryReservation)
	}
	for _, device := range c.Devices.VGPU {
		if device.ProfileName == "" {
			return vapi.InvalidArgument("vmclass.vgpu", "a vgpu_devices entry has no profile_name")
		}
	}
	return c.validateConfigSpec()
}

// validateConfigSpec demands that the free specification does not contradict the sizes.
func (c VMClass) validateConfigSpec() error {
	if len(c.ConfigSpec) == 0 {
		return nil
	}
	var sizes struct {
		CPUs      *int64 `json:"numCPUs"`
		MemoryMiB *int64 `json:"memoryMB"`
	}
	if err := json.Unmarshal(c.ConfigSpec, &sizes); err != nil {
		return vapi.InvalidArgument("vmclass.config_spec", "config_spec is not a VirtualMachineConfigSpec: %v", err)
	}
	if sizes.CPUs != nil && *sizes.CPUs != c.CPUCount {
		return vapi.InvalidArgument("vmclass.config_spec", "config_spec has numCPUs %d, cpu_count is %d: give the same", *sizes.CPUs, c.CPUCount)
	}
	if sizes.MemoryMiB != nil && *sizes.MemoryMiB != c.MemoryMiB {
		return vapi.InvalidArgument("vmclass.config_spec", "config_spec has memoryMB %d, memory_MB is %d: give the same", *sizes.MemoryMiB, c.MemoryMiB)
	}
	return nil
}
