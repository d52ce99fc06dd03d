package machines

import (
	"net/http"
	"slices"

	"pacific/internal/center/inventory"
	"pacific/internal/center/rest"
)

// Routes of the part: the original's lists, and all that is known of machines.
func (s *Service) Routes() []rest.Route {
	routes := []rest.Route{{Method: http.MethodGet, Path: "/api/pacific/machines", Access: rest.Reader, Handle: func(r *rest.Request) (any, error) { return s.List(r.Context()) }}}
	for kind, list := range map[string]func(*rest.Request) ([]row, error){
		"vm": s.vms, "datacenter": s.datacenters, "cluster": s.clusters, "datastore": s.datastores, "network": networks, "resource-pool": s.pools, "folder": s.folders,
	} {
		handle := func(r *rest.Request) (any, error) {
			rows, err := list(r)
			return chosen(r, rows), err
		}
		for _, root := range []string{"/api/vcenter/", "/rest/vcenter/"} {
			routes = append(routes, rest.Route{Method: http.MethodGet, Path: root + kind, Access: rest.Reader, Handle: handle})
		}
	}
	return routes
}

// row of a list, with what the filters of the query compare.
type row struct {
	body   map[string]any
	filter map[string]string
}

// chosen are the rows that all filters of the query accept, written names=a&names=b or filter.names=a.
func chosen(r *rest.Request, rows []row) []map[string]any {
	list := []map[string]any{}
	query := r.URL.Query()
	for _, row := range rows {
		fits := true
		for name, value := range row.filter {
			wanted := append(slices.Clone(query[name]), query["filter."+name]...)
			fits = fits && (len(wanted) == 0 || slices.Contains(wanted, value))
		}
		if fits {
			list = append(list, row.body)
		}
	}
	return list
}

func (s *Service) vms(r *rest.Request) ([]row, error) {
	list, err := s.List(r.Context())
	var rows []row
	for _, m := range list {
		rows = append(rows, row{
			map[string]any{"vm": m.VM, "name": m.Name, "power_state": m.PowerState, "cpu_count": m.CPUs, "memory_size_MiB": m.MemoryBytes >> 20},
			map[string]string{"vms": m.VM, "names": m.Name, "hosts": m.Host, "power_states": m.PowerState, "clusters": inventory.DefaultCluster, "datacenters": inventory.DefaultDatacenter},
		})
	}
	return rows, err
}

func (s *Service) datacenters(r *rest.Request) ([]row, error) {
	list, err := inventory.Datacenters(s.store).List(r.Context())
	var rows []row
	for _, dc := range list {
		rows = append(rows, row{map[string]any{"datacenter": dc.ID, "name": dc.Value.Name}, map[string]string{"datacenters": dc.ID, "names": dc.Value.Name}})
	}
	return rows, err
}

func (s *Service) clusters(r *rest.Request) ([]row, error) {
	list, err := inventory.Clusters(s.store).List(r.Context())
	var rows []row
	for _, c := range list {
		rows = append(rows, row{
			map[string]any{"cluster": c.ID, "name": c.Value.Name, "ha_enabled": true, "drs_enabled": true},
			map[string]string{"clusters": c.ID, "names": c.Value.Name, "datacenters": c.Value.Datacenter},
		})
	}
	return rows, err
}

// datastores: each host has one of its own.
func (s *Service) datastores(r *rest.Request) ([]row, error) {
	list, err := s.fleet.List(r.Context())
	var rows []row
	for _, h := range list {
		id, name := inventory.Datastore(h.ID, h.Name)
		body := map[string]any{"datastore": id, "name": name, "type": "VMFS", "capacity": h.Facts.StorageBytes}
		rows = append(rows, row{body, map[string]string{"datastores": id, "names": name, "types": "VMFS", "datacenters": inventory.DefaultDatacenter}})
	}
	return rows, err
}

func networks(*rest.Request) ([]row, error) {
	return []row{{
		map[string]any{"network": inventory.ManagementNetwork, "name": inventory.ManagementNetworkName, "type": "STANDARD_PORTGROUP"},
		map[string]string{"networks": inventory.ManagementNetwork, "names": inventory.ManagementNetworkName, "types": "STANDARD_PORTGROUP", "datacenters": inventory.DefaultDatacenter},
	}}, nil
}

// Pool is a resource pool of a namespace.
type Pool struct{ ID, Name, Folder string }

func (s *Service) pools(r *rest.Request) ([]row, error) {
	rows := []row{poolRow(inventory.RootPool(inventory.DefaultCluster), "Resources")}
	if s.Pools == nil {
		return rows, nil
	}
	pools, err := s.Pools(r.Context())
	for _, p := range pools {
		rows = append(rows, poolRow(p.ID, p.Name))
	}
	return rows, err
}

func poolRow(id, name string) row {
	return row{
		map[string]any{"resource_pool": id, "name": name},
		map[string]string{"resource_pools": id, "names": name, "clusters": inventory.DefaultCluster, "datacenters": inventory.DefaultDatacenter},
	}
}

func (s *Service) folders(r *rest.Request) ([]row, error) {
	rows := []row{
		folderRow(inventory.RootFolder, "Datacenters", "DATACENTER"), folderRow(inventory.Folder(inventory.HostFolder, inventory.DefaultDatacenter), "host", "HOST"), folderRow(inventory.Folder(inventory.MachineFolder, inventory.DefaultDatacenter), "vm", "VIRTUAL_MACHINE"),
		folderRow(inventory.Folder(inventory.DatastoreFolder, inventory.DefaultDatacenter), "datastore", "DATASTORE"), folderRow(inventory.Folder(inventory.NetworkFolder, inventory.DefaultDatacenter), "network", "NETWORK"),
	}
	if s.Pools == nil {
		return rows, nil
	}
	pools, err := s.Pools(r.Context())
	for _, p := range pools {
		if p.Folder != "" {
			rows = append(rows, folderRow(p.Folder, p.Name, "VIRTUAL_MACHINE"))
		}
	}
	return rows, err
}

func folderRow(id, name, kind string) row {
	return row{map[string]any{"folder": id, "name": name, "type": kind}, map[string]string{"folders": id, "names": name, "type": kind, "datacenters": inventory.DefaultDatacenter}}
}
