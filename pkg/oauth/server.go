package oauth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ory/fosite"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/revocation"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/templates"
)

// Lifetimes are the server's defaults; a client's record may say otherwise. Zero values are replaced by New.
type Lifetimes struct {
	Code              time.Duration // 60 s, and never more (FAPI 2.0 §5.3.2.1)
	AccessToken       time.Duration // 1 h: tokens of users
	ClientCredentials time.Duration // 30 min: tokens of clients
	IDToken           time.Duration // 1 h
	Refresh           time.Duration // 60 d, absolute from login: the life of a grant
}

// maxCodeLifetime bounds Lifetimes.Code.
const maxCodeLifetime = 60 * time.Second

func (l Lifetimes) withDefaults() Lifetimes {
	or := func(d, def time.Duration) time.Duration {
		if d <= 0 {
			return def
		}
		return d
	}
	return Lifetimes{
		Code:              min(or(l.Code, maxCodeLifetime), maxCodeLifetime),
		AccessToken:       or(l.AccessToken, time.Hour),
		ClientCredentials: or(l.ClientCredentials, 30*time.Minute),
		IDToken:           or(l.IDToken, time.Hour),
		Refresh:           or(l.Refresh, 60*24*time.Hour),
	}
}

// Options is what the endpoints stand on. Everything but Lifetimes and MTLSBase is required, up to Contracts.
type Options struct {
	Issuer        string // scheme://host[:port][/path], no trailing slash, exactly as in every token
	Records       Records
	Tx            Transactor
	Grants        Grants
	AccessTokens  AccessTokens
	RefreshTokens RefreshTokens
	Browser       Browser
	Flows         Flows
	Events        Events
	Keys          *keys.Ring
	Revocation    *revocation.Service
	ClientAuth    *clientauth.Authenticator
	Pages         *templates.Pages
	Now           func() time.Time
	Log           *slog.Logger
	Lifetimes     Lifetimes
	// MTLSBase is the URL at which clients show certificates (RFC 8705 §5), without a trailing slash; "": nowhere.
	MTLSBase string
	Contracts
}

// Contracts are the ports of the contracts beside OAuth. Each may be nil: then what needs it is not offered.
type Contracts struct {
	Identities      Identities      // the grant signet.GrantHMACIdentity
	APIKeys         APIKeys         // the grant signet.GrantTokenExchange; API keys at /introspect
	Principals      Principals      // required with Identities, APIKeys and for IssueToken
	Billers         Billers         // a biller's client may revoke the biller's tokens
	Accounts        Accounts        // the claim accounts in tokens of users
	ResourceServers ResourceServers // encrypted tokens at /introspect, /revoke and Bearer
	GrantStarter    GrantStarter    // StartGrant
}

// Server is the OAuth 2.0 and OpenID Connect endpoints. It is complete after New and safe for concurrent use.
type Server struct {
	Options
	mint   *mint
	fosite *fosite.Fosite
	codes  *codeStrategy
	// published is the metadata as it is sent, remade when the set of algorithms changes.
	published atomic.Pointer[metadataBody]
	held      heldKeys
}

// New checks the options and builds everything, fosite included: nothing is set up at the first request.
func New(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("oauth: %w", err)
	}
	o.Lifetimes = o.Lifetimes.withDefaults()
	s := &Server{Options: o, mint: &mint{issuer: o.Issuer, keys: o.Keys}}
	s.fosite, s.codes = newFosite(&s.Options)
	return s, nil
}

func (o *Options) check() error {
	var faults []error
	require := func(present bool, name string) {
		if !present {
			faults = append(faults, errors.New(name+" is missing"))
		}
	}
	require(o.Records != nil, "Records")
	require(o.Tx != nil, "Tx")
	require(o.Grants != nil, "Grants")
	require(o.AccessTokens != nil, "AccessTokens")
	require(o.RefreshTokens != nil, "RefreshTokens")
	require(o.Browser != nil, "Browser")
	require(o.Flows != nil, "Flows")
	require(o.Events != nil, "Events")
	require(o.Keys != nil, "Keys")
	require(o.Revocation != nil, "Revocation")
	require(o.ClientAuth != nil, "ClientAuth")
	require(o.Pages != nil, "Pages")
	require(o.Now != nil, "Now")
	require(o.Log != nil, "Log")
	require(o.Principals != nil || o.Identities == nil && o.APIKeys == nil, "Principals")
	issuer, err := url.Parse(o.Issuer)
	switch {
	case err != nil || issuer.Scheme != "https" && issuer.Scheme != "http" || issuer.Host == "":
		faults = append(faults, errors.New("the issuer is no http(s) URL"))
	case issuer.RawQuery != "" || issuer.Fragment != "" || issuer.User != nil || strings.HasSuffix(o.Issuer, "/"):
		// OIDC Discovery §3: no query or fragment; one spelling, since every party compares it as a string.
		faults = append(faults, errors.New("the issuer has a query, a fragment, userinfo or a trailing slash"))
	}
	return errors.Join(faults...)
}

// MTLSRoutes are the endpoints that the mutual TLS listener serves: those that RFC 8705 §5 lists as aliases and that
// signet has. Never a page: a browser there would ask people for certificates. No script of a page shows one either.
func (s *Server) MTLSRoutes() []web.Route {
	routes := s.tokenRoutes()
	for i := range routes {
		routes[i].CORS = web.CORSNone
	}
	return routes
}

// Routes are the endpoints of both sides.
func (s *Server) Routes() []web.Route { return append(s.authorizeRoutes(), s.tokenRoutes()...) }

// tokenRoutes are the endpoints that clients and resource servers call.
func (s *Server) tokenRoutes() []web.Route {
	post := []string{http.MethodPost}
	return []web.Route{
		{Name: "token", Methods: post, Path: "/token", Class: web.ClassToken, CORS: web.CORSClient, Handler: s.token},
		{Name: "introspect", Methods: post, Path: "/introspect", Class: web.ClassToken, CORS: web.CORSNone, Handler: s.introspect},
		{Name: "revoke", Methods: post, Path: "/revoke", Class: web.ClassToken, CORS: web.CORSClient, Handler: s.revoke},
		{Name: "userinfo", Methods: []string{http.MethodGet, http.MethodPost}, Path: "/userinfo", Class: web.ClassToken, CORS: web.CORSClient, Handler: s.userinfo},
	}
}
