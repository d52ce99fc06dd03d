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

// Checker is a Component that can say whether it works at the moment.
type Checker interface {
	// Check returns nil, or what is wrong and what is waited for. It returns soon.
	Check(ctx context.Context) error
}

// Standby is an error of a Checker: nothing is wrong, but the component does nothing now, because another process does.
type Standby string

func (s Standby) Error() string { return string(s) }

// Nested is a Component that is made of components.
type Nested interface {
	Status(ctx context.Context) []Status
}

// State of a component.
type State string

// States. Only a Failing component needs somebody.
const (
	Waiting  State = "Waiting"  // for the stage before
	Starting State = "Starting" // not ready yet
	Ready    State = "Ready"
	Idle     State = "Standby" // ready, but another process does the work
	Failing  State = "Failing"
	Stopped  State = "Stopped"
)

// Status of a component.
type Status struct {
	Name    string
	State   State
	Message string
}

// Stage is a set of components that start and stop side by side.
type Stage []Component
