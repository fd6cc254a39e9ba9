package admin

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// metadata fills in what was left out and judges the whole; before is the record that it replaces, nil for a new one.
// Every problem is named at once; warnings are what an operator should know of a record that is taken.
// Errors: CodeInvalidRequest, CodeUnavailable.
func (a *Admin) metadata(ctx context.Context, m *signet.ClientMetadata, admin bool, before *signet.Client) (warnings []string, err error) {
	j := &judge{m: m, algs: a.o.SigningAlgs(), now: a.o.Now(), before: before, partners: &a.o.Contracts.Partners}
	j.defaults()
	for _, check := range checks {
		check(j)
	}
	if admin && !j.uses(signet.GrantClientCredentials) {
		j.problem("admin", "is for clients with grant type client_credentials")
	}
	if err := a.accountOf(ctx, j); err != nil {
		return nil, err
	}
	if err := j.refuse("client_metadata"); err != nil {
		return nil, err
	}
	return j.warnings, nil
}

// accountOf sees that a machine acts for an account that is there. Error: CodeUnavailable.
func (a *Admin) accountOf(ctx context.Context, j *judge) error {
	id := j.m.AccountID
	if id == "" {
		return nil
	}
	j.need(j.uses(signet.GrantClientCredentials), "account_id", "is for clients with grant type client_credentials")
	if a.o.Contracts.Accounts == nil {
		j.problem("account_id", "names no account")
		return nil
	}
	_, err := a.o.Contracts.Accounts.Account(ctx, id)
	if errors.Is(err, signet.ErrNotFound) {
		j.problem("account_id", "names no account")
		return nil
	}
	return err
}

// judge holds one client's metadata while it is checked.
type judge struct {
	m        *signet.ClientMetadata
	algs     []string
	now      time.Time
	before   *signet.Client // nil: the client is new
	partners *Partners
	faults
	warnings []string
}

func (j *judge) problem(member, format string, args ...any) {
	j.need(false, member, fmt.Sprintf(format, args...))
}

func (j *judge) public() bool           { return j.m.TokenEndpointAuthMethod == signet.AuthNone }
func (j *judge) native() bool           { return j.m.ApplicationType == "native" }
func (j *judge) uses(grant string) bool { return slices.Contains(j.m.GrantTypes, grant) }

// checks is the whole list; its order is the order of the problems in the answer.
var checks = []func(*judge){
	(*judge).method, (*judge).grants, (*judge).redirects, (*judge).texts, (*judge).links, (*judge).origins,
	(*judge).scope, (*judge).audiences, (*judge).certificates, (*judge).keySet, (*judge).refusedKeys, (*judge).certificate,
	(*judge).algorithms, (*judge).confidentialOnly, (*judge).partner, (*judge).lifetimes, (*judge).choices,
	(*judge).assertions, (*judge).networks,
}

// defaults are those of RFC 7591 §2 and of signet.ClientMetadata.
func (j *judge) defaults() {
	m := j.m
	if m.TokenEndpointAuthMethod == "" {
		m.TokenEndpointAuthMethod = signet.AuthSecretBasic
	}
	if m.GrantTypes == nil {
		m.GrantTypes = []string{signet.GrantAuthorizationCode}
	}
	if m.ResponseTypes == nil && j.uses(signet.GrantAuthorizationCode) {
		m.ResponseTypes = []string{"code"}
	}
	if m.ApplicationType == "" {
		m.ApplicationType = "web"
	}
	if string(m.JWKS) == "null" {
		m.JWKS = nil
	}
}

func (j *judge) method() {
	known := []signet.AuthMethod{signet.AuthNone, signet.AuthSecretBasic, signet.AuthSecretPost, signet.AuthPrivateKeyJWT,
		signet.AuthTLS, signet.AuthSelfSignedTLS}
	j.need(slices.Contains(known, j.m.TokenEndpointAuthMethod), "token_endpoint_auth_method",
		"must be none, client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth or self_signed_tls_client_auth")
}

func (j *judge) grants() {
	// The last two prove themselves: a client is registered for them to be let in beside a biller's HMAC or an API key.
	// signet.GrantPIN is not among them: it belongs to PIN applications, whose clients are made with them.
	machine := []string{signet.GrantClientCredentials, signet.GrantHMACIdentity, signet.GrantTokenExchange}
	known := append([]string{signet.GrantAuthorizationCode, signet.GrantRefreshToken}, machine...)
	seen := map[string]bool{}
	for _, grant := range j.m.GrantTypes {
		j.need(slices.Contains(known, grant), "grant_types", "may hold "+strings.Join(known, ", "))
		j.need(!seen[grant], "grant_types", "repeats one")
		seen[grant] = true
	}
	j.need(len(j.m.GrantTypes) > 0 || j.m.Introspect, "grant_types", "must not be empty")
	j.need(!seen[signet.GrantRefreshToken] || seen[signet.GrantAuthorizationCode], "grant_types", "refresh_token needs authorization_code")
	for _, grant := range machine {
		j.need(!j.public() || !seen[grant], "grant_types", grant+" is for confidential clients")
	}
	code := seen[signet.GrantAuthorizationCode]
	if code {
		j.need(slices.Equal(j.m.ResponseTypes, []string{"code"}), "response_types", "must be code")
	} else {
		j.need(len(j.m.ResponseTypes) == 0, "response_types", "needs authorization_code")
	}
}

const maxURIs = 50

func (j *judge) redirects() {
	for _, entry := range []struct {
		member string
		uris   []string
	}{{"redirect_uris", j.m.RedirectURIs}, {"post_logout_redirect_uris", j.m.PostLogoutRedirectURIs}} {
		member, uris := entry.member, entry.uris
		j.need(len(uris) <= maxURIs, member, fmt.Sprintf("may hold at most %d", maxURIs))
		seen := map[string]bool{}
		for _, uri := range uris[:min(len(uris), maxURIs)] {
			if text := redirectProblem(uri, j.native()); text != "" {
				j.problem(member, "%s", text)
			}
			j.need(!seen[uri], member, "repeats one")
			seen[uri] = true
		}
	}
	if j.uses(signet.GrantAuthorizationCode) {
		j.need(len(j.m.RedirectURIs) > 0, "redirect_uris", "is needed with authorization_code")
	} else {
		j.need(len(j.m.RedirectURIs) == 0, "redirect_uris", "needs authorization_code")
	}
}

func (j *judge) texts() {
	j.need(textOK(j.m.ClientName, 120), "client_name", "may have 120 characters, none of them invisible")
	j.need(len(j.m.Contacts) <= 10, "contacts", "may hold at most 10")
	for _, contact := range j.m.Contacts {
		j.need(contact != "" && textOK(contact, 254), "contacts", "must be short visible texts")
	}
	j.need(slices.Contains([]string{"web", "native"}, j.m.ApplicationType), "application_type", "must be web or native")
}

func (j *judge) links() {
	for _, link := range [][2]string{{"client_uri", j.m.ClientURI}, {"logo_uri", j.m.LogoURI}, {"policy_uri", j.m.PolicyURI}, {"tos_uri", j.m.TOSURI}} {
		j.need(link[1] == "" || httpsURL(link[1]), link[0], "must be an https URL")
	}
}

func (j *judge) origins() {
	j.need(len(j.m.Origins) <= maxURIs, "origins", fmt.Sprintf("may hold at most %d", maxURIs))
	for _, origin := range j.m.Origins[:min(len(j.m.Origins), maxURIs)] {
		j.need(originOK(origin), "origins", "must be https://host[:port] in lower case (http for loopback), without a path")
	}
}

func (j *judge) scope() {
	scope := j.scopeOf(&j.m.Scope)
	if !j.uses(signet.GrantAuthorizationCode) {
		// These speak of a person; a client that never has one could only be confused by them.
		for _, token := range scope {
			j.need(!signet.ScopeOfPerson(token), "scope", token+" needs authorization_code")
		}
	}
}

var audienceNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$`)

func (j *judge) audiences() {
	j.need(len(j.m.Audiences) <= maxURIs, "audiences", fmt.Sprintf("may hold at most %d", maxURIs))
	for _, audience := range j.m.Audiences[:min(len(j.m.Audiences), maxURIs)] {
		j.need(audienceNames.MatchString(audience) || resourceURI(audience), "audiences", "must be absolute URIs without a fragment (RFC 8707), or names")
	}
}

func (j *judge) algorithms() {
	m := j.m
	j.need(m.IDTokenSignedAlg == "" || slices.Contains(j.algs, m.IDTokenSignedAlg), "id_token_signed_response_alg", "must be one of "+strings.Join(j.algs, ", "))
	j.need(m.AccessTokenAlg == "" || slices.Contains(j.algs, m.AccessTokenAlg), "access_token_signed_alg", "must be one of "+strings.Join(j.algs, ", "))
	assertion := []string{"RS256", "PS256", "ES256", "EdDSA"}
	if m.TokenEndpointAuthMethod == signet.AuthPrivateKeyJWT {
		j.need(slices.Contains(assertion, m.TokenEndpointAuthAlg), "token_endpoint_auth_signing_alg", "must be one of "+strings.Join(assertion, ", "))
	} else {
		j.need(m.TokenEndpointAuthAlg == "", "token_endpoint_auth_signing_alg", "is for private_key_jwt")
	}
}

// confidentialOnly are the liberties that a public client never has (RFC 9700 §2.1.1, §4.14.2).
func (j *judge) confidentialOnly() {
	if !j.public() {
		return
	}
	j.need(j.m.RequirePKCE == nil || *j.m.RequirePKCE, "require_pkce", "may be false for confidential clients only")
	j.need(j.m.Rotation != "off", "rotation", "may be off for confidential clients only")
	j.need(!j.m.Introspect, "introspect", "is for confidential clients")
}

func (j *judge) lifetimes() {
	const day = 86400
	for _, entry := range []struct {
		member     string
		value, max signet.Seconds
	}{
		{"access_token_lifetime", j.m.AccessTokenLifetime, day},
		{"id_token_lifetime", j.m.IDTokenLifetime, day},
		{"refresh_token_lifetime", j.m.RefreshTokenLifetime, 3660 * day},
		{"refresh_token_idle", j.m.RefreshTokenIdle, 3660 * day},
		{"assertion_max_lifetime", j.m.AssertionMaxLifetime, 3600},
	} {
		if entry.value < 0 || entry.value > entry.max {
			j.problem(entry.member, "must be 0 to %d seconds", entry.max)
		}
	}
	j.need(j.m.RefreshGrace == nil || *j.m.RefreshGrace >= 0 && *j.m.RefreshGrace <= 30, "refresh_grace", "must be 0 to 30 seconds")
	j.need(j.m.DefaultMaxAge == nil || *j.m.DefaultMaxAge >= 0 && *j.m.DefaultMaxAge <= 3660*day, "default_max_age", "must not be negative")
}

func (j *judge) choices() {
	for _, entry := range []struct {
		member, value string
		allowed       []string
	}{
		{"refresh_token", j.m.RefreshToken, []string{"", "offline_access", "always"}},
		{"rotation", j.m.Rotation, []string{"", "on", "off"}},
		{"id_token_claims", j.m.IDTokenClaims, []string{"", "all"}},
		{"access_token_format", j.m.AccessTokenFormat, []string{"", "jwt", "opaque"}},
		{"token_type", j.m.TokenType, []string{"", "Bearer", "bearer"}},
		{"assertion_audience", j.m.AssertionAudience, []string{"", "token_endpoint"}},
		{"assertion_error", j.m.AssertionError, []string{"", "document"}},
		{"token_response_jti", j.m.TokenResponseJTI, []string{"", "none", "assertion", "issued"}},
		{"environment", j.m.Environment, []string{"", signet.EnvironmentCAT, signet.EnvironmentProduction}},
	} {
		if !slices.Contains(entry.allowed, entry.value) {
			j.problem(entry.member, "must be one of %s", strings.Join(entry.allowed[1:], ", "))
		}
	}
}

// assertions: each departure is for private_key_jwt clients, and a further audience has an end.
func (j *judge) assertions() {
	m := j.m
	departs := m.AssertionAudience != "" || len(m.AssertionAudiences) > 0 || m.AssertionAudienceArray ||
		m.AssertionStringDates || m.AssertionMaxLifetime != 0 || m.AssertionError != "" || m.TokenResponseJTI == "assertion"
	j.need(!departs || m.TokenEndpointAuthMethod == signet.AuthPrivateKeyJWT, "assertion_*", "members and token_response_jti assertion are for private_key_jwt")
	j.need(len(m.AssertionAudiences) == 0 || m.AssertionAudience == "token_endpoint", "assertion_audiences", "needs assertion_audience token_endpoint")
	j.need(len(m.AssertionAudiences) <= 10, "assertion_audiences", "may hold at most 10")
	for _, audience := range m.AssertionAudiences {
		j.need(httpsURL(audience.Value), "assertion_audiences", "must be https URLs")
		j.need(audience.Until.After(j.now) && audience.Until.Before(j.now.AddDate(5, 0, 0)), "assertion_audiences", "need an end date within five years")
	}
}

func (j *judge) networks() { j.faults.networks(j.m.AllowedNetworks) }
