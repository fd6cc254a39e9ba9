package clientauth

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Expectations are what a partner's request should have said. Empty members are not looked at.
type Expectations struct {
	ClientID  string
	Audiences []string // that signet would take; the first is the one to use
	Algorithm string   // "" is RS256
	KeyIDs    []string // of the partner's set
	// MaxLifetime of exp - iat; 0 is 60 min, the document's.
	MaxLifetime time.Duration
	StringDates bool // assertion_string_dates
	Now         time.Time
	// GrantType and AssertionType are the parameters of the request as they were sent.
	GrantType, AssertionType string
}

// Explain names each fault of a request with an assertion, in the order in which signet looks, one sentence each; nil
// when it finds none. Unlike the prover it goes on after the first. It is for the partner's own desk, where everything
// may be said, and checks no signature: it has no key.
func Explain(text string, e Expectations) []string {
	x := &explanation{Expectations: e}
	x.parameters()
	x.assertion(text)
	return x.faults
}

type explanation struct {
	Expectations
	faults []string
}

func (x *explanation) fault(bad bool, format string, args ...any) {
	if bad {
		x.faults = append(x.faults, fmt.Sprintf(format, args...))
	}
}

func (x *explanation) parameters() {
	grant, kind := x.GrantType, x.AssertionType
	x.fault(grant != "" && grant != signet.GrantClientCredentials, "grant_type is %q; it must be %q.", grant, signet.GrantClientCredentials)
	x.fault(kind != "" && kind != assertionType, "client_assertion_type is %q; it must be %q, without blanks.", kind, assertionType)
}

func (x *explanation) assertion(text string) {
	clean := strings.Join(strings.Fields(text), "")
	x.fault(clean != text, "client_assertion holds blanks or line ends; a compact JWS has none. They are left out for what follows.")
	parsed := parseAssertion(clean)
	if parsed.formFault != "" {
		x.fault(true, "client_assertion is not header.payload.signature in base64url without padding.")
		return
	}
	x.header(&parsed.header, parsed.headerFault)
	x.claims(&parsed.claims, parsed.claimsFault)
}

func (x *explanation) header(h *header, fault string) {
	x.fault(fault != "", "The header cannot be taken: %s.", words(fault))
	wanted := x.Algorithm
	if wanted == "" {
		wanted = signet.AlgRS256
	}
	x.fault(h.alg != wanted, "alg is %q; it must be %q.", h.alg, wanted)
	x.fault(!h.named, "The header has no kid; it must name the key of your JWKS that signed.")
	x.fault(h.named && len(x.KeyIDs) > 0 && !slices.Contains(x.KeyIDs, h.kid), "kid %q is no key of your JWKS.", h.kid)
	x.fault(!slices.Contains([]string{"", "jwt", "client-authentication+jwt"}, h.typ), "typ is %q; leave it out, or send JWT.", h.typ)
}

func (x *explanation) claims(c *claims, fault string) {
	x.fault(fault != "", "The claims cannot be taken: %s.", words(fault))
	x.fault(c.iss == "", "iss is missing; it is your client_id.")
	x.fault(c.sub == "", "sub is missing; it is your client_id.")
	x.fault(c.iss != c.sub, "iss is %q and sub is %q; both must be your client_id.", c.iss, c.sub)
	if id := x.ClientID; id != "" {
		x.fault(c.iss != id && c.iss == c.sub, "iss and sub are %q; your client_id is %q.", c.iss, id)
		x.fault(c.iss != c.sub && c.sub != id, "sub is not your client_id %q.", id)
		x.fault(c.iss != c.sub && c.iss != id, "iss is not your client_id %q.", id)
	}
	switch {
	case c.audFault != "":
		x.fault(true, "aud cannot be taken: %s.", words(c.audFault))
	case len(x.Audiences) > 0:
		x.fault(!slices.Contains(x.Audiences, c.aud), "aud is %q; it must be %q.", c.aud, x.Audiences[0])
		x.fault(c.audArray, "aud is an array; send one string.")
	}
	x.dates(c)
	x.fault(c.jti == "", "jti is missing; send a new UUID each time.")
}

func (x *explanation) dates(c *claims) {
	for _, d := range []struct {
		name     string
		date     *date
		required bool
	}{{"exp", &c.exp, true}, {"iat", &c.iat, true}, {"nbf", &c.nbf, false}} {
		x.fault(d.required && !d.date.present, "%s is missing.", d.name)
		x.fault(d.date.invalid, "%s is no number of seconds since 1970.", d.name)
		x.fault(d.date.text && !d.date.invalid && !x.StringDates, "%s is the text %q; it must be a number, without quotes.", d.name, strconv.FormatInt(d.date.at.Unix(), 10))
	}
	dated := func(d *date) bool { return d.present && !d.invalid }
	limit := x.MaxLifetime
	if limit == 0 {
		limit = longestLifetime
	}
	if dated(&c.exp) && dated(&c.iat) {
		life := c.exp.at.Sub(c.iat.at)
		x.fault(life <= 0, "exp is not after iat.")
		x.fault(life > limit, "exp is %s after iat; at most %s is allowed.", life, limit)
	}
	if x.Now.IsZero() {
		return
	}
	stamp := func(d *date) string { return d.at.Format(time.RFC3339) }
	x.fault(dated(&c.exp) && !x.Now.Before(c.exp.at.Add(leeway)), "exp is over: it was %s.", stamp(&c.exp))
	x.fault(dated(&c.iat) && c.iat.at.After(x.Now.Add(leeway)), "iat is in the future: %s. Look at your clock.", stamp(&c.iat))
	x.fault(dated(&c.nbf) && c.nbf.at.After(x.Now.Add(leeway)), "nbf is in the future: %s. Look at your clock.", stamp(&c.nbf))
}

// words reads a reason aloud: assertion_claims_repeated is "claims repeated".
func words(reason string) string {
	return strings.ReplaceAll(strings.TrimPrefix(reason, "assertion_"), "_", " ")
}
