// Command conformance runs upstream's conformance tests on an instance, keeps their results and writes docs/conformance.md:
//
//	make conformance FOCUS='\[sig-node\] Pods'                    on an instance of its own
//	PACIFIC_HOME=/var/lib/pacific make conformance SKIP=Serial    on one that is up
//
// What it runs is built by the Makefile before.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"pacific/test/conformance/images"
)

type options struct {
	home, bin, output           string
	focus, skip                 string
	exceptions, resume, dontRun bool
	procs, batch                int
	version, commit             string
	resultsFile, exceptionsFile string
	merge                       []string
	page                        string
	sources                     images.Sources
}

func main() {
	var o options
	pflag.StringVar(&o.home, "home", "", "instance to test; empty for one of the command's own")
	pflag.StringVar(&o.bin, "bin-dir", "bin", "directory of the programs")
	pflag.StringVar(&o.output, "output", "build/conformance", "directory for logs, JUnit and the cache of images")
	pflag.StringVar(&o.focus, "focus", "", "run only tests whose name matches this regular expression")
	pflag.StringVar(&o.skip, "skip", "", "leave out tests whose name matches this regular expression")
	pflag.BoolVar(&o.exceptions, "exceptions", false, "run also the tests that are known not to pass")
	pflag.BoolVar(&o.resume, "resume", false, "leave out tests that passed on this commit")
	pflag.BoolVar(&o.dontRun, "report-only", false, "run nothing, only write the page from the results there are")
	pflag.IntVar(&o.procs, "procs", 2, "how many tests at a time")
	pflag.IntVar(&o.batch, "batch", 3, "how many tests a process; results are kept when it ends")
	pflag.StringVar(&o.version, "version", "", "version of Kubernetes, for the page")
	pflag.StringVar(&o.commit, "commit", "unknown", "commit of the programs, for the page")
	pflag.StringVar(&o.resultsFile, "results", "test/conformance/results.json", "file of all results")
	pflag.StringSliceVar(&o.merge, "merge", nil, "files of results of other runs; of each test the newest result is kept")
	pflag.StringVar(&o.exceptionsFile, "exceptions-file", "test/conformance/exceptions.yaml", "tests that do not pass yet, and why")
	pflag.StringVar(&o.page, "page", "docs/conformance.md", "page to write")
	pflag.StringVar(&o.sources.Kubernetes, "kubernetes", "", "directory of the module k8s.io/kubernetes")
	pflag.StringVar(&o.sources.Busybox, "busybox", "/bin/busybox", "static busybox")
	pflag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}
