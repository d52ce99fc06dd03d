// Package e2e tests an instance of Pacific as its users see it: through kubectl, the Kubernetes API and the pacific
// command. Its tests have the build tag e2e:
//
//	make e2e                                   on an instance of their own, in a temporary home
//	make e2e E2E='-run TestLogs -v'            chosen tests
//	PACIFIC_E2E_HOME=/var/lib/pacific make e2e on an instance that is up, and stays
//	PACIFIC_E2E_BIN=/tmp/bin make e2e          with a copy of the programs, while bin/ is being rebuilt
package e2e
