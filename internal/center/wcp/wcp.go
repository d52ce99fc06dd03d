// Package wcp is the Workload Platform Service: it turns a cluster of hosts into a Supervisor and back, and keeps what machines
// may be made of. The REST API is the original's, /api/vcenter/namespace-management.
package wcp

const base = "/api/vcenter/namespace-management"
