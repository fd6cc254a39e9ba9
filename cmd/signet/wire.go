package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signet-auth/signet/pkg/admin"
	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/oauth"
	"github.com/signet-auth/signet/pkg/revocation"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/storage/redisstore"
	"github.com/signet-auth/signet/storage/sqlstore"
	"github.com/signet-auth/signet/templates"
)

// deployment is what differs between serve, dev and the commands; everything else is the same everywhere.
type deployment struct {
	issuer      string
	adminListen string // for what the commands print
	sql         sqlstore.Options
	redis       *redisstore.Options // nil: short-lived records live in SQL too
	sqlMarks    bool                // replay marks in SQL although there is Redis
	keks        map[string][]byte
	currentKEK  string
	plan        keys.Plan
	signingAlgs []string // nil: the ring's defaults
	lifetimes   oauth.Lifetimes
	sessionIdle time.Duration
	sessionMax  time.Duration
	passwords   login.PasswordsOptions
	proxies     []netip.Prefix
	unlimited   bool          // no rate limits by network
	notice      time.Duration // served with readiness off before the listeners close
	demo        bool
	contracts   contractSettings
	// certificates are those of clients.
	certificates certificateSettings
	now          func() time.Time
	log          *slog.Logger
}

// https reports whether people reach this deployment over https.
func (d *deployment) https() bool { return len(d.issuer) > 8 && d.issuer[:8] == "https://" }

// worker is something that runs until its context ends.
type worker struct {
	name string
	run  func(ctx context.Context) error
}

// node is one process, wired.
type node struct {
	issuer             string
	public, admin, ops http.Handler
	mtls               http.Handler // token endpoints for clients that show certificates; nil without mtls.url
	room               *admin.Admin
	adminListen        string
	store              *sqlstore.Store
	redis              *redisstore.Store // nil without Redis
	workers            []worker
	drain              *drain
}

// The limits on guesses at a client's secret or assertion, by client and network.
const (
	credentialFailures = 20
	credentialWindow   = 5 * time.Minute
)

// wire ties every room to its stores. Read it from top to bottom: stores, keys, revocation, rooms, listeners.
func wire(ctx context.Context, d *deployment) (_ *node, err error) {
	n := &node{issuer: d.issuer, adminListen: d.adminListen, drain: &drain{notice: d.notice}}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	base, err := n.stores(ctx, d)
	if err != nil {
		return nil, err
	}
	public, certified, err := n.rooms(d, base)
	if err != nil {
		return nil, err
	}
	if err = n.listeners(d, base, public, certified); err != nil {
		return nil, err
	}
	// Background work, in the order in which it is ended: the store last, since it drains the queue of traffic events.
	n.workers = []worker{{"key rotation", base.ring.Run}, {"revocation outbox", base.revoked.Run}}
	if n.redis != nil {
		n.workers = append(n.workers,
			worker{"change subscriber", func(ctx context.Context) error { return n.redis.Subscribe(ctx, func(int64) { n.store.Wake() }) }},
			worker{"change publisher", func(ctx context.Context) error { return publish(ctx, n.store, n.redis) }})
	}
	n.workers = append(n.workers, worker{"database", n.store.Run})
	return n, nil
}

// foundation is what every room stands on.
type foundation struct {
	homes   *shortLived
	ring    *keys.Ring
	revoked *revocation.Service
	pages   *templates.Pages
	metrics *prometheus.Registry
}

// stores opens what remembers: the database, Redis, the keys, revocation.
func (n *node) stores(ctx context.Context, d *deployment) (_ *foundation, err error) {
	// PostgreSQL (SQLite in dev) is the truth; the schema is brought up under a lock row, so that two nodes may start at
	// once.
	push := &pusher{}
	metrics := prometheus.NewRegistry()
	traffic, err := newTrafficMeter(metrics)
	if err != nil {
		return nil, err
	}
	d.sql.OnRevoked, d.sql.OnTraffic = push.Push, traffic.count
	if n.store, err = sqlstore.Open(ctx, d.sql); err != nil {
		return nil, d.storeError(err)
	}
	if err = n.store.Migrate(ctx); err != nil {
		return nil, d.storeError(err)
	}
	homes := &shortLived{marks: n.store.Marks(), attempts: n.store.Attempts()}
	if d.redis != nil {
		if n.redis, err = redisstore.Open(ctx, *d.redis); err != nil {
			return nil, redisError(err)
		}
		homes.attempts, homes.fast = n.redis.Attempts(), n.redis.Revocations()
		if !d.sqlMarks {
			homes.marks = n.redis.Marks()
		}
	}

	// Keys: opened before anything else can ask for one.
	ring, err := keys.New(keys.Options{Store: n.store, Records: n.store, KEKs: d.keks, CurrentKEK: d.currentKEK, Plan: d.plan,
		SigningAlgs: d.signingAlgs, Now: d.now, Log: d.log})
	if err != nil {
		return nil, err
	}
	if err = ring.Start(ctx); err != nil {
		return nil, d.keysError(err)
	}
	n.store.OnChange(reloadOn(ring, "keys", d.log))

	// Revocation: the journal is the truth, Redis answers quickly.
	revoked, err := revocation.New(revocation.Options{Fast: homes.fast, Journal: n.store, Now: d.now, Log: d.log})
	if err != nil {
		return nil, err
	}
	push.service.Store(revoked)
	pages, err := templates.New()
	return &foundation{homes: homes, ring: ring, revoked: revoked, pages: pages, metrics: metrics}, err
}

// rooms makes login, oauth and admin, and returns the routes that people and clients reach, and those that clients with
// certificates reach.
func (n *node) rooms(d *deployment, base *foundation) (public, certified []web.Route, err error) {
	passwords, err := login.NewPasswords(d.passwords)
	if err != nil {
		return nil, nil, err
	}
	meter, err := newAlarms(base.metrics, n.redis)
	if err != nil {
		return nil, nil, err
	}
	hints := &lateHints{}
	people, err := login.New(login.Options{Issuer: d.issuer, Records: n.store, Sessions: n.store, Consents: n.store, Memberships: n.store,
		Attempts: base.homes.attempts, Flows: base.ring, Hints: hints, Events: n.store, Meter: meter, HashKeys: base.ring.HashKeys, Sealer: base.ring,
		Passwords: passwords, Pages: base.pages, Secure: d.https(), Now: d.now, Log: d.log, SessionIdle: d.sessionIdle, SessionMax: d.sessionMax})
	if err != nil {
		return nil, nil, err
	}

	failures, err := web.NewFailures(web.FailuresOptions{Shared: base.homes.attempts, Limit: credentialFailures, Window: credentialWindow, Now: d.now})
	if err != nil {
		return nil, nil, err
	}
	prover, err := clientauth.New(clientauth.Options{Clients: n.store, Marks: base.homes.marks, Failures: failures, Alarms: n.store,
		HashKeys: base.ring.HashKeys, Issuer: d.issuer, TokenEndpoints: d.tokenEndpoints(), ClientCAs: d.certificates.clientCAs,
		KeySets: clientauth.KeySetOptions{Loopback: d.certificates.loopbackSets}, Now: d.now})
	if err != nil {
		return nil, nil, err
	}

	core := &lateServer{}
	rooms, err := n.newContracts(d, base, core, failures, passwords)
	if err != nil {
		return nil, nil, err
	}
	server, err := oauth.New(oauth.Options{Issuer: d.issuer, Records: n.store, Tx: n.store, Grants: n.store, AccessTokens: n.store,
		RefreshTokens: n.store, Browser: people, Flows: base.ring, Events: n.store, Keys: base.ring, Revocation: base.revoked,
		ClientAuth: prover, Pages: base.pages, Now: d.now, Log: d.log, Lifetimes: d.lifetimes, MTLSBase: d.certificates.base, Contracts: rooms.ports(n)})
	if err != nil {
		return nil, nil, err
	}
	hints.server, core.Server = server, server

	n.room, err = admin.New(admin.Options{Clients: n.store, Users: n.store, UserActs: n.store, AdminKeys: n.store, Keys: base.ring,
		Passwords: passwords, Audit: n.store, Tokens: adminTokens{server, d.issuer + "/admin/v1"}, HashKeys: base.ring.HashKeys,
		SigningAlgs: base.ring.SigningAlgs, Contracts: rooms.registers(n, base, d), Now: d.now, Log: d.log})
	if err != nil {
		return nil, nil, err
	}

	public = slices.Concat(rooms.splitToken(server.Routes(), &d.contracts), people.Routes(),
		rooms.routes(&d.contracts), openAPIRoutes())
	if d.demo {
		demo, err := demoRoutes()
		if err != nil {
			return nil, nil, err
		}
		public = append(public, demo...)
	}
	return public, rooms.certifiedRoutes(server.MTLSRoutes(), &d.contracts), nil
}

// tokenEndpoints are the URLs that assertions may name as their audience, where the client's record allows it: the token
// endpoint wherever it is reached, under every mount of its (wire.md, 2). Further hosts are in the client's record.
func (d *deployment) tokenEndpoints() (urls []string) {
	for _, base := range []string{d.issuer, d.certificates.base} {
		if base == "" {
			continue
		}
		urls = append(urls, base+"/token")
		for _, prefix := range d.contracts.pinMounts {
			urls = append(urls, base+prefix+"/token")
		}
	}
	return urls
}

// listeners makes the handlers: what people and clients reach, what operators reach, what monitoring reaches. No route is
// on two, but for the token endpoints: those that clients with certificates reach have a listener of their own.
func (n *node) listeners(d *deployment, base *foundation, public, certified []web.Route) (err error) {
	options := web.Options{Log: d.log, Now: d.now, Metrics: base.metrics, Limits: web.Limits{Off: d.unlimited}}

	outside := options
	outside.Routes, outside.Origins = public, n.store
	outside.TrustedProxies, outside.CertificateProxies, outside.HTTPS = d.proxies, d.certificates.headerFrom, d.https()
	outside.NotFound, outside.ErrorPage = notFound(base.pages), errorPage(base.pages)
	if n.public, err = web.New(outside); err != nil {
		return err
	}
	n.public = n.drain.parting(n.public)

	if d.certificates.base != "" {
		own := options
		own.Routes, own.HTTPS = certified, true
		if n.mtls, err = web.New(own); err != nil {
			return err
		}
		n.mtls = n.drain.parting(n.mtls)
	}

	inside := options
	inside.Routes = n.room.Routes()
	if n.admin, err = web.New(inside); err != nil {
		return err
	}

	monitoring := options
	monitoring.Routes, err = web.OpsRoutes(web.OpsOptions{Metrics: base.metrics, Ready: n.ready, Degraded: n.degraded})
	if err != nil {
		return err
	}
	n.ops, err = web.New(monitoring)
	return err
}

// ready says whether this node wants traffic. Redis away does not count: login, code, refresh, introspection and
// revocation go on from PostgreSQL.
func (n *node) ready(ctx context.Context) error {
	if n.drain.begun() {
		return errDraining
	}
	return n.store.Ready(ctx)
}

// degraded names the stores that are away while the node serves on.
func (n *node) degraded(ctx context.Context) []string {
	if n.redis != nil && n.redis.Ready(ctx) != nil {
		return []string{"redis"}
	}
	return nil
}

func (n *node) close() error {
	var err error
	if n.redis != nil {
		err = n.redis.Close()
	}
	if n.store != nil {
		err = errors.Join(err, n.store.Close())
	}
	return err
}
