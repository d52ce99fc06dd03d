// Package e2e runs Supervisors of several members. Each member is the real program in a network namespace of its own, on a
// switch that the test is attached to; the rest is as in production.
package e2e
