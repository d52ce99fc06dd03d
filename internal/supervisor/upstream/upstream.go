// Package upstream is what the kube-apiserver, kube-scheduler and kube-controller-manager share as parts of one process:
// each is set up by its own flags, as if it were a program, but the process-wide state behind the flags is set once.
package upstream

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/klog/v2"
)

// Parse applies arguments to the flags of a component's options.
func Parse(component string, sets cliflag.NamedFlagSets, args []string) error {
	all := pflag.NewFlagSet(component, pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		all.AddFlagSet(set)
	}
	if err := all.Parse(args); err != nil {
		return fmt.Errorf("arguments of %s: %w", component, err)
	}
	return nil
}

// Quiet gives a component a logger by which its information, some hundred lines a start, is only seen at verbosity 1.
// Errors are always logged.
func Quiet(ctx context.Context, component string) context.Context {
	return klog.NewContext(ctx, klog.LoggerWithName(klog.Background(), component).V(1))
}

// Apply sets feature gates and other process-wide state. It must run after the flags of all components are parsed and
// before any of them starts, since all read the same gates.
func Apply() error {
	// The components watch deprecated APIs on purpose.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	return compatibility.DefaultComponentGlobalsRegistry.Set()
}
