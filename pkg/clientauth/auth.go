package clientauth

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// refused is the public message of every failed authentication, whatever was wrong.
const refused = "Client authentication failed."

// Request is what an endpoint received.
type Request struct {
	Params        url.Values // form parameters, already flat and validated
	Authorization []string   // all values of the Authorization header
	Address       netip.Addr // of the caller, behind trusted proxies
	// Certificates are those that the caller showed and whose key it proved to hold, its own first (proof.OfRequest);
	// nothing about them has been verified.
	Certificates []*x509.Certificate
}

// Result tells who called. It is never nil: beside an error Client is set when the client is known, so that the caller
// can restrict CORS and write that client's error style.
type Result struct {
	Client       *signet.Client
	Method       signet.AuthMethod
	AssertionJTI string // private_key_jwt: the assertion's jti
	// CertThumbprint is x5t#S256 of the certificate that tokens must be bound to (RFC 8705 §3); "": they are not bound.
	CertThumbprint string
	// Departures are the members of the client's record without which the assertion would have been refused.
	Departures []string
	// RetryAfter goes with CodeTooMany, in seconds.
	RetryAfter int
}

// Options are what an Authenticator needs; all up to Now are required.
type Options struct {
	Clients  Clients
	Marks    Marks
	Failures Failures
	Alarms   Alarms
	HashKeys func() signet.HashKeys
	// Issuer is the one audience of assertions (RFC 10070).
	Issuer string
	// TokenEndpoints are the URLs of the token endpoint under all mounts, for clients with assertion_audience:
	// token_endpoint.
	TokenEndpoints []string
	Now            func() time.Time
	// ClientCAs are the authorities of tls_client_auth; without any no client can use it. May be nil.
	ClientCAs []*x509.Certificate
	// KeySets says how jwks_uri is fetched; the zero value is right for production.
	KeySets KeySetOptions
}

// Authenticator proves clients.
type Authenticator struct {
	clients        Clients
	marks          Marks
	failures       Failures
	alarms         Alarms
	hashKeys       func() signet.HashKeys
	issuer         string
	tokenEndpoints []string
	now            func() time.Time
	checks         []check
	sets           *keySets
	fetched        *fetcher
	decoys         decoys
	authorities    []*x509.Certificate
}

// New checks the options.
func New(o Options) (*Authenticator, error) {
	if o.Clients == nil || o.Marks == nil || o.Failures == nil || o.Alarms == nil || o.HashKeys == nil || o.Now == nil {
		return nil, errors.New("clientauth: Clients, Marks, Failures, Alarms, HashKeys and Now are required")
	}
	if o.Issuer == "" || len(o.TokenEndpoints) == 0 {
		return nil, errors.New("clientauth: Issuer and TokenEndpoints are required")
	}
	decoys, err := newDecoys()
	if err != nil {
		return nil, err
	}
	return &Authenticator{
		clients: o.Clients, marks: o.Marks, failures: o.Failures, alarms: o.Alarms, hashKeys: o.HashKeys,
		issuer: o.Issuer, tokenEndpoints: slices.Clone(o.TokenEndpoints), now: o.Now,
		checks: assertionChecks(), sets: newKeySets(), fetched: newFetcher(o.KeySets, o.Alarms, o.Now), decoys: decoys,
		authorities: slices.Clone(o.ClientCAs),
	}, nil
}

// Authenticate proves the client of a request (RFC 6749 §2.3, RFC 7523 §3). Errors: CodeInvalidRequest (no single
// method), CodeInvalidClient, CodeTooMany (Result.RetryAfter), CodeUnavailable; for clients registered with
// assertion_error: document also CodeUnauthorizedClient and CodeInvalidGrant.
func (a *Authenticator) Authenticate(ctx context.Context, req Request) (*Result, error) {
	result := &Result{}
	// 1. Exactly one method.
	cred, err := present(req)
	if err != nil {
		if signet.CodeOf(err) == signet.CodeInvalidClient {
			return a.countRefusal(ctx, result, err, networkKey(req.Address))
		}
		return result, err
	}
	result.Method = cred.method
	// 2. This client from this network has not failed too often. The network alone is looked at only after a failure
	// (countRefusal), so that a neighbour who guesses cannot lock out whoever knows the secret.
	if wait, too := a.failures.Refused(ctx, clientKey(cred.id, req.Address)); too {
		result.RetryAfter = wait
		return result, tooMany()
	}
	// 3. The record.
	client, err := a.find(ctx, cred.id)
	if err != nil {
		return result, err
	}
	result.Client = client
	byCertificate(cred, client)
	result.Method = cred.method
	// 4. What holds for every method, then the credential itself. Whoever fails early waits as long as the others.
	now := a.now()
	failed := admissible(client, cred, req.Address)
	if failed != nil {
		a.pretend(cred)
	} else {
		failed = a.prove(ctx, client, cred, req.Address, now, result)
	}
	if failed == nil {
		result.CertThumbprint = bound(client, cred)
		return result, nil
	}
	err = failed.error(client)
	if !failed.counts() {
		return result, err
	}
	keys := []string{networkKey(req.Address)}
	if client != nil {
		keys = append(keys, clientKey(client.ID, req.Address))
	}
	return a.countRefusal(ctx, result, err, keys...)
}

// find returns nil for an unknown client.
func (a *Authenticator) find(ctx context.Context, id signet.ClientID) (*signet.Client, error) {
	if !plausibleID(string(id)) {
		return nil, nil
	}
	client, err := a.clients.Client(ctx, id)
	if errors.Is(err, signet.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, &signet.Error{Code: signet.CodeUnavailable, Reason: "client_store", Cause: err}
	}
	return client, nil
}

// admissible is what must hold before any credential is looked at.
func admissible(client *signet.Client, cred *credential, from netip.Addr) *refusal {
	switch {
	case client == nil && cred.id == "":
		// An assertion that could not even be read; it names nobody.
		return &refusal{stage: stageClient, reason: cmp.Or(cred.assertion.formFault, cred.assertion.claimsFault, "client_unnamed")}
	case client == nil:
		return &refusal{stage: stageClient, reason: "client_unknown"}
	case client.Disabled():
		return &refusal{stage: stageClient, reason: "client_disabled"}
	case client.Inactive():
		return &refusal{stage: stageClient, reason: "client_not_activated"}
	// OIDC Registration §2: the registered method is the only one. A client that could choose would have the weakest.
	case cred.method != client.TokenEndpointAuthMethod:
		return &refusal{stage: stageClient, reason: "method_not_registered"}
	case !web.AllowedFrom(client.AllowedNetworks, from):
		return &refusal{stage: stageClient, reason: "network_not_allowed"}
	default:
		return nil
	}
}

// prove looks at the credential.
func (a *Authenticator) prove(ctx context.Context, client *signet.Client, cred *credential, from netip.Addr, now time.Time, result *Result) *refusal {
	switch cred.method {
	case signet.AuthNone:
		return transportRefusal(a.transportFault(client, cred.certificates, now))
	case signet.AuthSecretBasic, signet.AuthSecretPost:
		if !a.secretMatches(client, cred.secret, now) {
			return &refusal{stage: stageClient, reason: "secret_wrong"}
		}
		return transportRefusal(a.transportFault(client, cred.certificates, now))
	case signet.AuthTLS:
		return transportRefusal(a.issuedFault(client, cred.certificates, now))
	case signet.AuthSelfSignedTLS:
		return transportRefusal(a.selfSignedFault(ctx, client, cred.certificates, now))
	case signet.AuthPrivateKeyJWT:
		p := &examined{assertion: cred.assertion, client: client, bodyID: cred.bodyID, from: from, now: now, certificates: cred.certificates}
		if failed := a.checkAssertion(ctx, p); failed != nil {
			return failed
		}
		result.AssertionJTI, result.Departures = p.assertion.claims.jti, a.departures(p)
		return nil
	default:
		return &refusal{stage: stageClient, reason: "method_unknown"}
	}
}

// secretMatches compares with every live secret, without stopping at the first.
func (a *Authenticator) secretMatches(client *signet.Client, secret string, now time.Time) bool {
	keys := a.hashKeys()
	matched := false
	for i := range client.Secrets {
		live := &client.Secrets[i]
		ok := keys.Verify(secret, live.Hash)
		if ok && (live.ExpiresAt == nil || now.Before(*live.ExpiresAt)) {
			matched = true
		}
	}
	if len(client.Secrets) == 0 {
		keys.Verify(secret, signet.SecretHash{KeyID: keys.Current})
	}
	return matched
}

// pretend does the work that a real credential would have cost, so that the time does not tell which clients exist.
func (a *Authenticator) pretend(cred *credential) {
	switch cred.method {
	case signet.AuthSecretBasic, signet.AuthSecretPost:
		keys := a.hashKeys()
		keys.Verify(cred.secret, signet.SecretHash{KeyID: keys.Current})
	case signet.AuthPrivateKeyJWT:
		a.decoys.verify(cred.assertion)
	case signet.AuthNone:
		if len(cred.certificates) > 0 {
			a.chain(cred.certificates, "", a.now())
		}
	}
}
