package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/renameio/v2"

	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/test/conformance/ginkgo"
	"pacific/test/conformance/images"
	"pacific/test/conformance/report"
	"pacific/test/conformance/results"
	"pacific/test/conformance/suite"
)

// run does all; whatever happens, the page tells what is known.
func (o options) run(ctx context.Context) error {
	all, err := suite.All()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(o.exceptionsFile)
	if err != nil {
		return err
	}
	exceptions, err := suite.ReadExceptions(text, all)
	if err != nil {
		return fmt.Errorf("%s: %w", o.exceptionsFile, err)
	}
	known, err := results.Load(o.resultsFile)
	if err != nil {
		return err
	}
	if err := o.mergeInto(known); err != nil {
		return err
	}
	var runErr error
	if !o.dontRun {
		runErr = o.test(ctx, all, exceptions, known)
	}
	page := report.Markdown(report.Input{Version: o.version, Tests: all, Exceptions: exceptions, Results: known})
	return errors.Join(runErr, renameio.WriteFile(o.page, []byte(page), 0o644))
}

// mergeInto adds what other runs have found out, for instance those of the same commit on other machines.
func (o options) mergeInto(known results.Results) error {
	for _, file := range o.merge {
		if _, err := os.Stat(file); err != nil {
			return err
		}
		others, err := results.Load(file)
		if err != nil {
			return err
		}
		known.Merge(others)
	}
	if len(o.merge) == 0 {
		return nil
	}
	return known.Save(o.resultsFile)
}

func (o options) test(ctx context.Context, all []suite.Test, exceptions suite.Exceptions, known results.Results) error {
	selected, err := suite.Select(all, o.focus, o.skip)
	if err != nil {
		return err
	}
	tests := o.choose(selected, exceptions, known)
	if len(tests) == 0 {
		return fmt.Errorf("of %d conformance tests none is to be run: %d match, the others are known exceptions or have passed", len(all), len(selected))
	}
	fmt.Printf("%d of %d conformance tests\n", len(tests), len(all))
	return o.onInstance(ctx, func(l layout.Layout) error {
		program, err := o.prepare(ctx, l)
		if err != nil {
			return err
		}
		r := &run{options: o, program: program, known: known, exceptions: exceptions, total: len(tests)}
		return r.all(ctx, tests)
	})
}

// choose leaves out what need not run.
func (o options) choose(tests []suite.Test, exceptions suite.Exceptions, known results.Results) []suite.Test {
	var chosen []suite.Test
	for _, t := range tests {
		_, excepted := exceptions[t.Name]
		result := known[t.Name]
		done := o.resume && result.Outcome == results.Passed && result.Commit == o.commit
		if (!excepted || o.exceptions) && !done {
			chosen = append(chosen, t)
		}
	}
	return chosen
}

// onInstance gives the user's instance, or one that lives as long as the tests.
func (o options) onInstance(ctx context.Context, use func(layout.Layout) error) (err error) {
	home := o.home
	if home == "" {
		if home, err = os.MkdirTemp("", "pacific-conformance-"); err != nil {
			return err
		}
		// Also after an interrupt, when ctx is over.
		defer func() { err = errors.Join(err, o.pacific(context.Background(), home, "down", "--purge")) }()
		if err := o.pacific(ctx, home, "up"); err != nil {
			return err
		}
	}
	in, err := instance.Load(home)
	if err != nil {
		return err
	}
	return use(layout.Layout{ID: in.ID, Home: in.Home})
}

func (o options) pacific(ctx context.Context, home string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(o.bin, "pacific"), append(args, "--home", home)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pacific %v: %w", args, err)
	}
	return nil
}

// prepare pushes the images and finds the programs.
func (o options) prepare(ctx context.Context, l layout.Layout) (ginkgo.Program, error) {
	none := ginkgo.Program{}
	output, err := filepath.Abs(o.output)
	if err != nil {
		return none, err
	}
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return none, err
	}
	if err := os.MkdirAll(filepath.Join(output, "logs"), 0o755); err != nil {
		return none, err
	}
	src := o.sources
	src.Programs, src.Cache = filepath.Join(bin, "conformance"), filepath.Join(output, "cache")
	say := func(ref string) { fmt.Println("pushed", ref) }
	if err := images.Push(ctx, l.Registry(), l.RegistryCA(), src, say); err != nil {
		return none, err
	}
	registries := filepath.Join(output, "registries.yaml")
	if err := renameio.WriteFile(registries, []byte(images.Registries(l.Registry())), 0o644); err != nil {
		return none, err
	}
	return ginkgo.Program{
		Path:       filepath.Join(bin, "conformance", "e2e.test"),
		Kubeconfig: l.Kubeconfig(),
		Kubectl:    filepath.Join(bin, "kubectl"),
		Registries: registries,
	}, nil
}
