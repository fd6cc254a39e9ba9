package clientauth

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"net/netip"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	// leeway is how far the clocks of a client and of signet may differ (FAPI 2.0 §5.3.2.1).
	leeway = 10 * time.Second
	// markSlack keeps a replay mark longer than the assertion can be presented: the clocks of two nodes and of the
	// mark's home differ too.
	markSlack = 10 * time.Second
	// defaultLifetime and longestLifetime bound exp - iat; the first is for clients that say nothing.
	defaultLifetime = 5 * time.Minute
	longestLifetime = time.Hour
	maxJTI          = 256

	markSpace = "assertion"
)

// examined is one assertion under examination.
type examined struct {
	assertion *assertion
	client    *signet.Client
	bodyID    signet.ClientID
	from      netip.Addr
	now       time.Time
	// certificates are those of the connection, the client's own first.
	certificates []*x509.Certificate
	key          crypto.PublicKey // set by check 5
	keysAway     bool             // set by check 5: the client's host of keys could not be asked
}

// check is one line of the list: run returns "" or the reason of the refusal.
type check struct {
	name  string
	stage stage
	run   func(context.Context, *Authenticator, *examined) string
}

// assertionChecks is the list (RFC 7521 §4.2 and §5.2, RFC 7523 §3, RFC 10070, RFC 8725). The order is part of it: nothing in
// the claims is believed before 7, and what consumes comes after everything else.
func assertionChecks() []check {
	return []check{
		{"1 compact JWS of three base64url parts", stageKey, func(_ context.Context, _ *Authenticator, p *examined) string { return p.assertion.formFault }},
		{"2 header: one JSON object, nothing repeated, nothing we would have to understand", stageKey, func(_ context.Context, _ *Authenticator, p *examined) string { return p.assertion.headerFault }},
		{"3 typ", stageKey, checkType},
		{"4 alg: asymmetric, the registered one", stageKey, checkAlgorithm},
		{"5 key: ours on record, named by kid, made for alg", stageKey, checkKey},
		{"6 signature", stageKey, checkSignature},
		{"7 certificate of the connection, where the record wants one", stageKey, checkCertificate},
		{"8 claims: one JSON object, nothing repeated", stageClaims, func(_ context.Context, _ *Authenticator, p *examined) string { return p.assertion.claimsFault }},
		{"9 iss and sub are the client", stageClaims, checkSubject},
		{"10 aud is signet and nobody else", stageClaims, checkAudience},
		{"11 exp, iat, nbf are numbers", stageClaims, checkDates},
		{"12 exp - iat within the limit", stageClaims, checkLifetime},
		{"13 exp, iat, nbf against the clock", stageClaims, checkClock},
		{"14 jti", stageClaims, checkJTI},
		// 15 the replay mark: spend, below.
	}
}

// checkAssertion goes through the list and, last, spends the jti.
func (a *Authenticator) checkAssertion(ctx context.Context, p *examined) *refusal {
	for i := range a.checks {
		check := &a.checks[i]
		if reason := check.run(ctx, a, p); reason != "" {
			if p.key == nil {
				// No signature was checked: take the time that it would have taken.
				a.decoys.verify(p.assertion)
			}
			return &refusal{stage: check.stage, reason: reason, blameless: p.keysAway}
		}
	}
	return a.spend(ctx, p)
}

// checkType: an access token, an ID token or a DPoP proof that the client signed is no assertion (RFC 8725 §3.11).
func checkType(_ context.Context, _ *Authenticator, p *examined) string {
	switch p.assertion.header.typ {
	case "", "jwt", "client-authentication+jwt":
		return ""
	default:
		return "assertion_typ"
	}
}

func checkAlgorithm(_ context.Context, _ *Authenticator, p *examined) string {
	alg := p.assertion.header.alg
	switch alg {
	case signet.AlgRS256, signet.AlgPS256, signet.AlgES256, signet.AlgEdDSA:
	default:
		return "assertion_alg"
	}
	if registered := p.client.TokenEndpointAuthAlg; registered != "" && registered != alg {
		return "assertion_alg_not_registered"
	}
	return ""
}

// checkKey takes keys from the client's record alone: those hosted there, or those of its jwks_uri. jwk, jku, x5u and
// x5c of the header are somebody's wish.
func checkKey(ctx context.Context, a *Authenticator, p *examined) string {
	if slices.Contains(p.client.JWKSRefusedKIDs, p.assertion.header.kid) && p.assertion.header.named {
		return "assertion_key_refused"
	}
	set, reason := a.keysOf(ctx, p.client, p.assertion.header)
	if set == nil {
		p.keysAway = true
		return reason
	}
	p.key, reason = set.pick(p.assertion.header, p.client.JWKSRefusedKIDs, p.now)
	return reason
}

// keysOf returns the client's keys; reason when its own host could not be asked.
func (a *Authenticator) keysOf(ctx context.Context, client *signet.Client, h header) (*keySet, string) {
	if client.JWKSURI == "" {
		return a.sets.of(client), ""
	}
	return a.fetched.of(ctx, client, h)
}

// checkCertificate is last of what proves the client: a certificate that the record demands is part of its credential.
func checkCertificate(_ context.Context, a *Authenticator, p *examined) string {
	return a.transportFault(p.client, p.certificates, p.now)
}

func checkSignature(_ context.Context, _ *Authenticator, p *examined) string {
	if !signet.VerifySignature(p.assertion.header.alg, p.key, p.assertion.input, p.assertion.signature) {
		return "assertion_signature"
	}
	return ""
}

// checkSubject: RFC 7523 §3, rules 1 and 2, and RFC 7521 §4.2: client_id, when sent, names the same client.
func checkSubject(_ context.Context, _ *Authenticator, p *examined) string {
	claims := &p.assertion.claims
	switch id := p.client.ID; {
	case claims.sub != string(id):
		return "assertion_sub"
	case claims.iss != string(id):
		return "assertion_iss"
	case p.bodyID != "" && p.bodyID != id:
		return "assertion_client_id"
	default:
		return ""
	}
}

// checkAudience: RFC 7523 §3, rule 3, as RFC 10070 tightened it: the issuer, as one string. An assertion that also
// names another server could be replayed by that server. Older forms are by the client's record.
func checkAudience(_ context.Context, a *Authenticator, p *examined) string {
	claims, client := &p.assertion.claims, p.client
	if claims.audFault != "" {
		return claims.audFault
	}
	if claims.audArray && !client.AssertionAudienceArray {
		return "assertion_aud_array"
	}
	if claims.aud == a.issuer {
		return ""
	}
	if client.AssertionAudience != "token_endpoint" {
		return "assertion_aud"
	}
	if slices.Contains(a.tokenEndpoints, claims.aud) {
		return ""
	}
	for i := range client.AssertionAudiences {
		if listed := &client.AssertionAudiences[i]; listed.Value == claims.aud && p.now.Before(listed.Until) {
			return ""
		}
	}
	return "assertion_aud"
}

func checkDates(_ context.Context, _ *Authenticator, p *examined) string {
	claims := &p.assertion.claims
	for _, d := range []struct {
		date     *date
		required bool
		name     string
	}{{&claims.exp, true, "exp"}, {&claims.iat, true, "iat"}, {&claims.nbf, false, "nbf"}} {
		switch {
		case !d.date.present && d.required:
			return "assertion_" + d.name + "_missing"
		case !d.date.present:
		case d.date.invalid:
			return "assertion_" + d.name + "_form"
		case d.date.text && !p.client.AssertionStringDates:
			return "assertion_" + d.name + "_string"
		}
	}
	return ""
}

// checkLifetime: a far exp would make the replay memory keep its jti for as long.
func checkLifetime(_ context.Context, _ *Authenticator, p *examined) string {
	life := p.assertion.claims.exp.at.Sub(p.assertion.claims.iat.at)
	limit := min(p.client.AssertionMaxLifetime.Or(defaultLifetime), longestLifetime)
	if life <= 0 || life > limit {
		return "assertion_lifetime"
	}
	return ""
}

// checkClock: RFC 7523 §3, rules 4 to 6.
func checkClock(_ context.Context, _ *Authenticator, p *examined) string {
	claims := &p.assertion.claims
	ahead := p.now.Add(leeway)
	switch {
	case !p.now.Before(claims.exp.at.Add(leeway)):
		return "assertion_expired"
	case claims.iat.at.After(ahead):
		return "assertion_iat_future"
	case claims.nbf.present && claims.nbf.at.After(ahead):
		return "assertion_nbf_future"
	default:
		return ""
	}
}

func checkJTI(_ context.Context, _ *Authenticator, p *examined) string {
	switch jti := p.assertion.claims.jti; {
	case jti == "":
		return "assertion_jti_missing"
	case utf8.RuneCountInString(jti) > maxJTI:
		return "assertion_jti_long"
	default:
		return ""
	}
}

// spend is check 15: the jti is used up (RFC 7523 §3, rule 7), per client, so that nobody can use up another's. It is
// last, so that an assertion refused for another reason, or forged, burns nothing. No mark, no token.
func (a *Authenticator) spend(ctx context.Context, p *examined) *refusal {
	claims := &p.assertion.claims
	err := a.marks.Use(ctx, signet.Mark{
		Space: markSpace, Key: string(p.client.ID) + "\x00" + claims.jti,
		IssuedAt: claims.iat.at, ExpiresAt: claims.exp.at.Add(leeway + markSlack),
	})
	if err == nil {
		return nil
	}
	if !errors.Is(err, signet.ErrUsed) {
		return &refusal{stage: stageStore, reason: "replay_store", cause: err}
	}
	// The refusal stands whether or not the alarm could be written; its failure is told with it.
	alarm := a.alarms.Record(ctx, signet.Event{
		ID: signet.NewEventID(), Kind: signet.EventAssertionReplay, At: p.now, Actor: "client:" + string(p.client.ID),
		ClientID: p.client.ID, Address: p.from.String(), Target: claims.jti, Reason: "assertion_replayed",
	})
	return &refusal{stage: stageClaims, reason: "assertion_replayed", cause: alarm}
}
