// Command crx-init is PID 1 of a CRX.
package main

import "pacific/internal/crx/pid1"

func main() { pid1.Main() }
