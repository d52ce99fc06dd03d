// Package component runs the parts of a program: prepared in parallel, started in order by readiness, stopped in reverse.
package component

import "context"

// Component is a part of the program.
type Component interface {
	// Name is for people and logs.
	Name() string
	// Run works until ctx is cancelled, and calls ready once, as soon as those that depend on the component can use it.
	// What it returns after ctx was cancelled is only logged; when it returns before, even nil, the whole program ends.
	Run(ctx context.Context, ready func()) error
}

// Initializer is a Component that has something to prepare which needs no other component, such as files.
type Initializer interface {
	// Init runs side by side with those of all other components, before any of them starts.
	Init(ctx context.Context) error
}

// Stage is a set of components that start and stop side by side.
type Stage []Component
