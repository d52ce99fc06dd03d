// Kubectl-vsphere is a plugin of kubectl: it signs people in at a Supervisor.
package main

import (
	"os"

	"pacific/internal/kubectlvsphere"
)

func main() { os.Exit(kubectlvsphere.Main(os.Args[1:])) }
