package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/config"
	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/oauth"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/storage/redisstore"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// The times of decision 7 that no operator chooses.
const (
	longestToken  = 24 * time.Hour // what a client's record may ask for at most
	hintRetention = 90 * 24 * time.Hour
	leeway        = 10 * time.Second
	// drainTime is how long requests in flight may take when the process is told to end.
	drainTime = 10 * time.Second
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "serve", Short: "Run the server: PostgreSQL and Redis, TLS or behind a proxy", Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(a.config, a.environ)
			if err != nil {
				return err
			}
			if err := cfg.Serve(); err != nil {
				return err
			}
			return a.serve(cmd.Context(), cfg)
		}}
	cmd.Flags().StringVar(&a.config, "config", "", "configuration file, YAML; the environment (SIGNET_…) goes over it")
	return cmd
}

// gcPercent lets the heap grow to five times what is live before it is collected. A node's live heap is some ten MB, so
// that Go's default collects dozens of times a second under load; this trades tens of MB for about a twentieth of the CPU.
const gcPercent = 400

func (a *app) serve(ctx context.Context, cfg *config.Config) error {
	log := a.logger(cfg.Log)
	if a.env("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	for _, warning := range cfg.Warnings() {
		log.Warn(warning)
	}
	d, err := production(cfg, log, time.Now)
	if err != nil {
		return wrongSetup(err)
	}
	var secure *tls.Config
	if cfg.TLS.CertFile != "" {
		if secure, err = serverTLS("tls", cfg.TLS.CertFile, cfg.TLS.KeyFile); err != nil {
			return wrongSetup(err)
		}
	}
	certified, err := certifiedOpening(cfg)
	if err != nil {
		return wrongSetup(err)
	}
	n, err := wire(ctx, d)
	if err != nil {
		return err
	}
	certified.handler = n.mtls
	adminTLS := secure
	if config.Loopback(cfg.Admin.Listen) {
		adminTLS = nil // never leaves the machine
	}
	doors, err := open(ctx, log, []opening{
		{"public", cfg.Listen, n.public, secure}, certified, {"admin", cfg.Admin.Listen, n.admin, adminTLS}, {"ops", cfg.Ops.Listen, n.ops, nil},
	})
	if err != nil {
		return errors.Join(err, n.close())
	}
	for _, door := range doors {
		log.Info("listening", "listener", door.name, "address", door.listener.Addr().String())
	}
	log.Info("signet is up", "issuer", d.issuer)
	return n.run(ctx, log, doors)
}

// production turns the configuration into a deployment. Rooms get their own options, never the configuration.
func production(cfg *config.Config, log *slog.Logger, now func() time.Time) (*deployment, error) {
	keks, current, err := cfg.KEKs()
	if err != nil {
		return nil, err
	}
	d := &deployment{
		issuer: cfg.Issuer, adminListen: cfg.Admin.Listen, sql: postgresOptions(cfg, log, now), sqlMarks: cfg.ReplayMarks == "postgres",
		keks: keks, currentKEK: current,
		plan: keys.Plan{JWKSMaxAge: cfg.Keys.JWKSMaxAge.Duration, RotateEvery: cfg.Keys.RotateEvery.Duration,
			LongestToken: longestToken, HintRetention: hintRetention, Leeway: leeway},
		signingAlgs: cfg.Keys.SigningAlgs,
		lifetimes: oauth.Lifetimes{Code: cfg.Lifetimes.Code.Duration, AccessToken: cfg.Lifetimes.AccessToken.Duration,
			ClientCredentials: cfg.Lifetimes.ClientCredentials.Duration, IDToken: cfg.Lifetimes.IDToken.Duration, Refresh: cfg.Lifetimes.RefreshToken.Duration},
		sessionIdle: cfg.Sessions.Idle.Duration, sessionMax: cfg.Sessions.Max.Duration,
		passwords: login.PasswordsOptions{Workers: cfg.Passwords.Workers, Queue: cfg.Passwords.Queue},
		unlimited: cfg.RateLimits == "off", notice: cfg.DrainNotice.Duration, now: now, log: log,
	}
	d.contracts = contractSettings{exchangeMounts: cfg.Exchange.Mounts, intentMounts: cfg.Intents.Mounts, pinMounts: cfg.PIN.Mounts,
		accountMounts: cfg.Accounts.Mounts, invoiceResource: cfg.Exchange.InvoiceResource, privateSources: cfg.Exchange.AllowPrivateSources,
		intentIssuer: cfg.Intents.Issuer, intentAudiences: cfg.Intents.Audiences, apiResources: cfg.Accounts.Resources}
	if cfg.Accounts.RolesFile != "" {
		if d.contracts.roles, err = readRoles(cfg.Accounts.RolesFile); err != nil {
			return nil, err
		}
	}
	if d.certificates, err = certificatesOf(cfg); err != nil {
		return nil, err
	}
	for _, text := range cfg.BehindProxy.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		d.proxies = append(d.proxies, prefix)
	}
	if len(cfg.Redis.Addrs) == 0 {
		return d, nil
	}
	d.redis = &redisstore.Options{Addrs: cfg.Redis.Addrs, Username: cfg.Redis.Username, Password: cfg.Redis.Password.Reveal(),
		DB: cfg.Redis.DB, Mode: cfg.Redis.Mode, MasterName: cfg.Redis.MasterName, Prefix: cfg.Redis.Prefix, Now: now, Log: log}
	if cfg.Redis.TLS {
		if d.redis.TLS, err = clientTLS(cfg.Redis.TLSCAFile); err != nil {
			return nil, fmt.Errorf("redis.tls_ca_file: %w", err)
		}
	}
	return d, nil
}

func postgresOptions(cfg *config.Config, log *slog.Logger, now func() time.Time) sqlstore.Options {
	return sqlstore.Options{Driver: sqlstore.DriverPostgres, DSN: cfg.Postgres.DSN.Reveal(), Now: now, Node: signet.NewNodeID(),
		Log: log, MaxOpen: cfg.Postgres.MaxOpen}
}

// withStores runs fn over the stores of --config in this process: for the first set-up, when no server runs yet. Redis
// is left alone: what it must know, a running node takes from the outbox.
func (a *app) withStores(ctx context.Context, fn func(*node) error) error {
	cfg, err := config.Load(a.config, a.environ)
	if err != nil {
		return err
	}
	if err := cfg.Stores(); err != nil {
		return err
	}
	if cfg.Issuer == "" {
		return config.Problems{"issuer: is needed"}
	}
	cfg.Redis.Addrs = nil
	d, err := production(cfg, quiet(a.err), time.Now)
	if err != nil {
		return wrongSetup(err)
	}
	n, err := wire(ctx, d)
	if err != nil {
		return err
	}
	return errors.Join(fn(n), n.close())
}

// opening is a listener to be opened; door is one that is open.
type opening struct {
	name, address string // address "": stays shut
	handler       http.Handler
	tls           *tls.Config
}

type door struct {
	opening
	listener net.Listener
	server   *http.Server
}

// open listens everywhere or nowhere.
func open(ctx context.Context, log *slog.Logger, openings []opening) (_ []*door, err error) {
	var doors []*door
	defer func() {
		if err != nil {
			for _, d := range doors {
				_ = d.listener.Close()
			}
		}
	}()
	for _, o := range openings {
		if o.address == "" {
			continue
		}
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", o.address)
		if err != nil {
			return nil, listenError(o.name+" listener", o.address, err)
		}
		doors = append(doors, newDoor(o, listener, log))
	}
	return doors, nil
}

func newDoor(o opening, listener net.Listener, log *slog.Logger) *door {
	server := web.NewServer(o.handler, log)
	if o.tls != nil {
		server.TLSConfig = o.tls.Clone()
	}
	return &door{opening: o, listener: newParting(listener), server: server}
}

func (d *door) serve() error {
	var err error
	if d.tls != nil {
		err = d.server.ServeTLS(d.listener, "", "")
	} else {
		err = d.server.Serve(d.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s listener: %w", d.name, err)
}

// run serves until ctx ends or a listener fails, then drains: readiness off and served on for the notice, so that a load
// balancer sends nothing more when the listeners close; requests in flight finished, background work ended in its order,
// stores closed.
func (n *node) run(ctx context.Context, log *slog.Logger, doors []*door) error {
	stopped := n.start(log)
	failed := make(chan error, len(doors))
	for _, d := range doors {
		go func() { failed <- d.serve() }()
	}
	var err error
	select {
	case <-ctx.Done():
		log.Info("draining")
		n.drain.begin()
		select {
		case <-time.After(n.drain.notice):
		case err = <-failed:
		}
	case err = <-failed:
		n.drain.begin()
	}
	if err != nil {
		log.Error("a listener failed", "error", err)
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	// Monitoring is shut last: while requests are finished, /readyz says that no more should come.
	shut(deadline, log, doors, func(d *door) bool { return d.name != "ops" })
	shut(deadline, log, doors, func(d *door) bool { return d.name == "ops" })
	stopped()
	err = errors.Join(err, n.close())
	log.Info("stopped")
	return err
}

// shut ends the chosen listeners together and waits for their requests until ctx ends.
func shut(ctx context.Context, log *slog.Logger, doors []*door, chosen func(*door) bool) {
	var wait sync.WaitGroup
	for _, d := range doors {
		if !chosen(d) {
			continue
		}
		wait.Go(func() {
			if err := d.server.Shutdown(ctx); err != nil {
				log.Warn("requests were cut off", "listener", d.name, "error", err)
				_ = d.server.Close()
			}
		})
	}
	wait.Wait()
}

// start runs the workers and returns what ends them, one after the other.
func (n *node) start(log *slog.Logger) (stop func()) {
	var stops []func()
	for _, w := range n.workers {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := w.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				log.Error("a worker ended", "worker", w.name, "error", err)
			}
		}()
		stops = append(stops, func() { cancel(); <-done })
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}
