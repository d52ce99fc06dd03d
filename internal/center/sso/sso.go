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
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	"pacific/internal/center/rest"
	"pacific/internal/center/sso/directory"
	"pacific/internal/center/sso/oidc"
	"pacific/internal/center/sso/session"
	"pacific/internal/center/sso/sts"
	"pacific/internal/center/store"
)

// keysInterval is far below the third of a signing certificate's life that is left when it is replaced.
const keysInterval = time.Hour

// Config of single sign-on.
type Config struct {
	// Domain of center's own users. It cannot change after the first start.
	Domain string
	// AdministratorPasswordFile gets the first password, 0600; without it Terminal gets it.
	AdministratorPasswordFile string
	Terminal                  io.Writer
	// URL of center, https://…, which stands in assertions.
	URL string
	// SigningKeys is the directory of the keys that sign assertions; Authority signs their certificates.
	SigningKeys string
	Authority   sts.Authority
	// Directory has zero values but in tests.
	Directory directory.Options
}

// Service is single sign-on as a part of center.
type Service struct {
	Directory *directory.Directory
	// Tokens is the security token service.
	Tokens   *sts.Service
	records  *store.Store
	sessions *session.Sessions
	// source of people of other domains; providers are where it is administered.
	source    Source
	providers *oidc.Providers
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
	keys, err := sts.OpenKeyring(config.SigningKeys, config.Authority, now())
	if err != nil {
		return nil, fmt.Errorf("single sign-on: %w", err)
	}
	s := &Service{Directory: d, records: records, sessions: session.New(records, now), limiter: newLimiter(now), now: now}
	s.providers = oidc.New(records, config.Domain, now)
	s.source = s.providers
	d.KnownDomain = s.source.HasDomain
	s.Tokens = &sts.Service{
		Issuer: config.URL + "/websso/SAML2/Metadata/" + config.Domain, Keys: keys, Directory: subjects{s}, Once: s.once,
		Audience: []string{config.URL}, Now: now,
	}
	return s, nil
}

// Routes of the API.
func (s *Service) Routes() []rest.Route {
	var routes []rest.Route
	for _, part := range [][]rest.Route{
		s.sessionRoutes(), s.userRoutes(), s.groupRoutes(), s.permissionRoutes(), s.policyRoutes(), s.tokenRoutes(),
		s.externalRoutes(), s.providerRoutes(),
	} {
		routes = append(routes, part...)
	}
	return routes
}

// Run does what has to be done now and then, until ctx is cancelled.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.sessions.Run(ctx) })
	group.Go(func() error { return s.keepKeys(ctx) })
	return group.Wait()
}

// keepKeys replaces the key that signs assertions in time.
func (s *Service) keepKeys(ctx context.Context) error {
	wait.UntilWithContext(ctx, func(context.Context) {
		if err := s.Tokens.Keys.Keep(s.now()); err != nil {
			klog.ErrorS(err, "Cannot keep the signing keys; will try again", "after", keysInterval)
		}
	}, keysInterval)
	return nil
}
