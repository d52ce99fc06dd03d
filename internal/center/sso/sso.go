// Package sso is center's single sign-on: who people are, what they may do on center, and what they get to prove it elsewhere.
//
// The people are in the directory of center's own domain or come with a token of an external identity source. They get a
// session for center's API, or a SAML token for other services.
package sso

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"pacific/internal/center/rest"
	"pacific/internal/center/sso/directory"
	"pacific/internal/center/sso/session"
	"pacific/internal/center/store"
)

// Config of single sign-on.
type Config struct {
	// Domain of center's own users. It cannot change after the first start.
	Domain string
	// AdministratorPasswordFile gets the first password, 0600; without it Terminal gets it.
	AdministratorPasswordFile string
	Terminal                  io.Writer
	// Directory has zero values but in tests.
	Directory directory.Options
}

// Service is single sign-on as a part of center.
type Service struct {
	Directory *directory.Directory
	sessions  *session.Sessions
	limiter   *limiter
	now       func() time.Time
}

// New makes the administrator if there is none yet.
func New(ctx context.Context, records *store.Store, config Config) (*Service, error) {
	d, err := directory.New(records, config.Domain, config.Directory)
	if err != nil {
		return nil, fmt.Errorf("single sign-on: %w", err)
	}
	if err := d.Bootstrap(ctx, config.handOver); err != nil {
		return nil, fmt.Errorf("single sign-on: %w", err)
	}
	now := config.Directory.Now
	if now == nil {
		now = time.Now
	}
	return &Service{Directory: d, sessions: session.New(records, now), limiter: newLimiter(now), now: now}, nil
}

// Routes of the API.
func (s *Service) Routes() []rest.Route {
	var routes []rest.Route
	for _, part := range [][]rest.Route{
		s.sessionRoutes(), s.userRoutes(), s.groupRoutes(), s.permissionRoutes(), s.policyRoutes(),
	} {
		routes = append(routes, part...)
	}
	return routes
}

// Run does what has to be done now and then, until ctx is cancelled.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.sessions.Run(ctx) })
	return group.Wait()
}
