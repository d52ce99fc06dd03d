package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pacific/internal/center/client"
	"pacific/internal/center/namespaces/spec"
)

// settingFlags change settings of a namespace. What is not given stays.
type settingFlags struct {
	flags       *pflag.FlagSet
	description string
	limits      []string // NAME=VALUE, NAME a field of resource_spec
	storage     []string
	classes     []string
	libraries   []string
}

// limitFlags are flags of their own for the limits that are asked for most.
var limitFlags = map[string]struct{ field, usage string }{
	"cpu-limit":          {"cpu_limit", "CPU limit in MHz, or none"},
	"memory-limit":       {"memory_limit", "memory limit in MiB, or none"},
	"cpu-reservation":    {"cpu_reservation", "CPU in MHz that is kept for the namespace when a host is full, or none"},
	"memory-reservation": {"memory_reservation", "memory in MiB that is kept for the namespace, or none"},
	"storage-limit":      {"storage_request_limit", "limit of all claims together in MiB, or none"},
}

func (s *settingFlags) add(flags *pflag.FlagSet) {
	s.flags = flags
	for _, name := range slices.Sorted(maps.Keys(limitFlags)) {
		flags.String(name, "", limitFlags[name].usage)
	}
	flags.StringVar(&s.description, "description", "", "one line about the namespace")
	flags.StringArrayVar(&s.limits, "limit", nil, "FIELD=NUMBER or FIELD=none, a field of the API's resource_spec such as pod_count=20; may be repeated")
	flags.StringArrayVar(&s.storage, "storage", nil, "POLICY or POLICY=MiB, a storage policy's id; may be repeated, and replaces the list")
	flags.StringArrayVar(&s.classes, "vm-class", nil, "VM class; may be repeated, and replaces the list")
	flags.StringArrayVar(&s.libraries, "library", nil, "content library's id; may be repeated, and replaces the list")
}

// apply the flags that were given to settings, and tell whether there were any.
func (s *settingFlags) apply(settings *spec.Settings) (changed bool, err error) {
	fields := slices.Clone(s.limits)
	for name, l := range limitFlags {
		if value, _ := s.flags.GetString(name); s.flags.Changed(name) {
			fields = append(fields, l.field+"="+value)
		}
	}
	if settings.Resources, err = withLimits(settings.Resources, fields); err != nil {
		return false, err
	}
	if s.flags.Changed("description") {
		settings.Description = s.description
	}
	if s.flags.Changed("storage") {
		if settings.Storage, err = storageSpecs(s.storage); err != nil {
			return false, err
		}
	}
	if s.flags.Changed("vm-class") {
		settings.VMService.VMClasses = nonEmpty(s.classes)
	}
	if s.flags.Changed("library") {
		settings.VMService.ContentLibraries = nonEmpty(s.libraries)
	}
	for _, name := range []string{"description", "storage", "vm-class", "library"} {
		changed = changed || s.flags.Changed(name)
	}
	return changed || len(fields) > 0, nil
}

// nonEmpty drops the empty value by which a list is emptied.
func nonEmpty(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}

// withLimits sets fields of a resource_spec by their names in the API.
func withLimits(r spec.Resources, fields []string) (spec.Resources, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	values := map[string]int64{}
	if err := json.Unmarshal(data, &values); err != nil {
		return r, err
	}
	for _, field := range fields {
		name, value, ok := strings.Cut(field, "=")
		number, err := strconv.ParseInt(value, 10, 64)
		switch {
		case ok && value == "none":
			delete(values, name)
		case !ok || err != nil:
			return r, fmt.Errorf("limit %q: give FIELD=NUMBER, or FIELD=none for no limit", field)
		default:
			values[name] = number
		}
	}
	if data, err = json.Marshal(values); err != nil {
		return r, err
	}
	var changed spec.Resources
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&changed); err != nil {
		return r, fmt.Errorf("limits: %s; the fields are those of the API's resource_spec", strings.TrimPrefix(err.Error(), "json: "))
	}
	return changed, nil
}

func storageSpecs(args []string) ([]spec.Storage, error) {
	list := []spec.Storage{}
	for _, arg := range nonEmpty(args) {
		policy, value, limited := strings.Cut(arg, "=")
		s := spec.Storage{Policy: policy}
		if limited {
			limit, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("storage %q: give POLICY or POLICY=MiB", arg)
			}
			s.Limit = &limit
		}
		list = append(list, s)
	}
	return list, nil
}

// otherLimits are those without a line of their own, as FIELD=NUMBER.
func otherLimits(r spec.Resources) (lines []string) {
	values := map[string]int64{}
	data, err := json.Marshal(r)
	if err != nil || json.Unmarshal(data, &values) != nil {
		return nil
	}
	for _, l := range limitFlags {
		delete(values, l.field)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		lines = append(lines, fmt.Sprintf("%s=%d", name, values[name]))
	}
	return lines
}

func namespaceCreateCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var settings settingFlags
	var cluster string
	var wait waitFlags
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a namespace", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				id, err := clusterID(ctx, c, cluster)
				if err != nil {
					return err
				}
				body := spec.Settings{Access: []spec.Access{}, Storage: []spec.Storage{}, ContentLibraries: []spec.ContentLibrary{}}
				if _, err := settings.apply(&body); err != nil {
					return err
				}
				request := struct {
					Cluster   string `json:"cluster"`
					Namespace string `json:"namespace"`
					spec.Settings
				}{id, args[0], body}
				if err := c.Do(ctx, http.MethodPost, namespacesPath, request, nil); err != nil {
					return err
				}
				return wait.until(ctx, cmd.ErrOrStderr(), c, args[0], "RUNNING")
			})
		},
	}
	settings.add(cmd.Flags())
	cmd.Flags().StringVar(&cluster, "cluster", "", "cluster's name or id; not needed where there is one Supervisor")
	wait.add(cmd.Flags(), "until the namespace can be used")
	return cmd
}

// clusterID finds a cluster that has a Supervisor by its name or id.
func clusterID(ctx context.Context, c *client.Client, want string) (string, error) {
	var clusters []struct {
		ID   string `json:"cluster"`
		Name string `json:"cluster_name"`
	}
	if err := c.Do(ctx, http.MethodGet, "/api/vcenter/namespace-management/clusters", nil, &clusters); err != nil {
		return "", err
	}
	var names []string
	for _, cluster := range clusters {
		if want == cluster.ID || want == cluster.Name || want == "" && len(clusters) == 1 {
			return cluster.ID, nil
		}
		names = append(names, cluster.Name)
	}
	switch {
	case len(clusters) == 0:
		return "", fmt.Errorf("no cluster has a Supervisor: enable one first")
	case want == "":
		return "", fmt.Errorf("there are several Supervisors: name one by --cluster, of %s", strings.Join(names, ", "))
	}
	return "", fmt.Errorf("no cluster %q has a Supervisor; there are %s", want, strings.Join(names, ", "))
}

func namespaceSetCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var settings settingFlags
	var wait waitFlags
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Change limits, storage, VM classes or the description of a namespace", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				var now namespaceInfo
				if err := c.Do(ctx, http.MethodGet, namespacePath(args[0]), nil, &now); err != nil {
					return err
				}
				changed, err := settings.apply(&now.Settings)
				if err != nil {
					return err
				}
				if !changed {
					return fmt.Errorf("nothing to set: give a flag, see pacific namespace set --help")
				}
				request := map[string]any{
					"description": now.Description, "resource_spec": now.Resources, "storage_specs": now.Storage, "vm_service_spec": now.VMService,
				}
				if err := c.Do(ctx, http.MethodPatch, namespacePath(args[0]), request, nil); err != nil {
					return err
				}
				return wait.until(ctx, cmd.ErrOrStderr(), c, args[0], "RUNNING")
			})
		},
	}
	settings.add(cmd.Flags())
	wait.add(cmd.Flags(), "until the change is in the Supervisor")
	return cmd
}
