// Package e2e runs the real dataplanes against a real control plane. Hosts are network namespaces, and so are the pods: a
// namespace behind a real tap stands for the machine. Everything else is as in production.
package e2e
