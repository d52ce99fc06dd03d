// Package chaos kills the parts of an instance at random while its pods change, and then looks whether all is as if
// nothing had happened.
//
// For a time it changes Deployments, a StatefulSet, Jobs and a CronJob, and kills daemons and machines with SIGKILL. Then it
// stops and waits until everything has converged: workloads complete and available, no pod stuck, what is on the hosts
// exactly what the API server says. Meanwhile pods that must never run twice at once tell a witness that they run.
//
//	make chaos                              ten minutes on an instance of its own
//	make chaos SEED=7 DURATION=1m           the same kinds of kills and changes in the same order as another run with seed 7
//	PACIFIC_E2E_HOME=/var/lib/pacific make chaos
//
// A seed fixes what is drawn, not when it meets what: which pod is third on a list
// depends on how fast the machine is. So a failure prints the seed and the timeline of what really happened.
package chaos
