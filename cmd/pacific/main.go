// Command pacific administers Pacific and runs it on one machine.
package main

import (
	"os"

	"pacific/internal/cli"
)

func main() { os.Exit(cli.Execute()) }
