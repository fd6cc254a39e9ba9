package account

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// maxToken bounds an access token; a nested JWT with an RSA-4096 recipient stays well below.
const maxToken = 8 << 10

// Caller proves who calls an /api/… endpoint (wire.md, 1): exactly one of X-Api-Key, a bare access token in
// Authorization, or one after Bearer. An error of CodeTooMany carries RetryAfter() time.Duration in its chain.
// Errors: CodeInvalidRequest (two credentials, or one in the URL), CodeInvalidToken (one answer for every failed
// credential), CodeTooMany, CodeUnavailable.
func (a *Account) Caller(r *http.Request) (*signet.Caller, error) {
	caller, _, err := a.identify(r)
	return caller, err
}

// identify is Caller, with the client of an access token as soon as it is known, on refusals too.
func (a *Account) identify(r *http.Request) (caller *signet.Caller, client signet.ClientID, err error) {
	ctx := r.Context()
	keys, tokens := r.Header.Values("X-Api-Key"), r.Header.Values("Authorization")
	switch {
	case credentialInURL(r.URL.RawQuery):
		// What stands in a URL ends in access logs, histories and Referers (RFC 9700 §4.3.2).
		err = badRequest("credential_in_query", "A credential must not be sent in the URL.")
	case len(keys)+len(tokens) > 1:
		// RFC 6750 §2: one credential. Which of two principals would it be, and whose rights?
		err = badRequest("credential_repeated", "Send exactly one credential: X-Api-Key or Authorization, once.")
	case len(keys) == 1:
		caller, err = a.byKey(ctx, keys[0])
	case len(tokens) == 1:
		caller, client, err = a.byToken(ctx, tokens[0])
	default:
		err = denied("credential_missing", nil)
	}
	if err != nil {
		a.refused(ctx, len(keys) > 0, client, err)
		return nil, client, err
	}
	web.Note(ctx, "actor", actor(caller))
	return caller, client, nil
}

// credentialInURL looks for the names under which callers put keys and tokens into URLs.
func credentialInURL(query string) bool {
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		switch strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name)) {
		case "apikey", "xapikey", "key", "accesstoken", "token", "authorization", "bearer":
			return true
		}
	}
	return false
}

// refused records a refusal: as a key's or as a token's. A store that is away refuses nobody.
func (a *Account) refused(ctx context.Context, key bool, client signet.ClientID, err error) {
	if signet.CodeOf(err) == signet.CodeUnavailable {
		return
	}
	kind := signet.EventTokenRefused
	if key {
		kind = signet.EventKeyRefused
	}
	ev := a.newEvent(ctx, kind)
	ev.ClientID, ev.Reason = client, signet.ReasonOf(err)
	if id := keyOf(err); id != "" {
		ev.KeyID, ev.Actor = id, signet.PrincipalAPIKey+id
	}
	a.o.Events.Traffic(ev)
}

func (a *Account) byKey(ctx context.Context, raw string) (*signet.Caller, error) {
	key, err := a.prove(ctx, raw)
	if err != nil {
		return nil, err
	}
	ev := a.newEvent(ctx, signet.EventKeyUsed)
	ev.Actor, ev.KeyID, ev.Target = key.Principal(), key.ID, "account:"+key.AccountID
	a.o.Events.Traffic(ev)
	return &signet.Caller{Subject: key.Principal(), Key: key}, nil
}

// bearerOf reads the header's three forms. The bare one is the document's (wire.md, 1).
func bearerOf(header string) (raw, fault string) {
	scheme, rest, spaced := strings.Cut(header, " ")
	switch {
	case !spaced:
		raw = header
	case strings.EqualFold(scheme, "Bearer"):
		raw = strings.TrimLeft(rest, " ")
	case strings.EqualFold(scheme, "DPoP"):
		// No token of ours is bound to a DPoP key yet, and an unbound one is not to be sent this way (RFC 9449 §7.1).
		return "", "dpop_unsupported"
	default:
		return "", "credential_scheme"
	}
	if !tokenText(raw) {
		return "", "token_malformed"
	}
	return raw, ""
}

// tokenText is the grammar of RFC 6750 §2.1 (b64token).
func tokenText(raw string) bool {
	if raw == "" || len(raw) > maxToken {
		return false
	}
	for i := range len(raw) {
		c := raw[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("-._~+/=", rune(c)) {
			return false
		}
	}
	return true
}

func (a *Account) byToken(ctx context.Context, header string) (*signet.Caller, signet.ClientID, error) {
	raw, fault := bearerOf(header)
	if fault != "" {
		return nil, "", denied(fault, nil)
	}
	bearer, err := a.o.Bearers.Bearer(ctx, raw)
	if err != nil {
		if signet.CodeOf(err) == signet.CodeUnavailable {
			return nil, "", err
		}
		return nil, "", denied("token_refused", err)
	}
	caller, err := a.holder(ctx, bearer)
	return caller, bearer.ClientID, err
}

// holder turns a live token into a caller: a person, or a client for itself.
func (a *Account) holder(ctx context.Context, bearer *signet.Bearer) (*signet.Caller, error) {
	named := func(audience string) bool { return slices.Contains(a.audiences, audience) }
	switch {
	case !slices.ContainsFunc(bearer.Audience, named):
		// RFC 9068 §4: a token for another resource server must not work here.
		return nil, denied("token_audience", nil)
	case bearer.Principal != "":
		// A biller's or a key's short token is for resource servers; the key itself would call with its own name.
		return nil, denied("token_principal", nil)
	case bearer.Machine && bearer.ClientID != "" && bearer.UserID == "":
		client, err := a.o.Clients.Client(ctx, bearer.ClientID)
		if err != nil {
			if signet.CodeOf(err) == signet.CodeNotFound {
				return nil, denied("client_unknown", err)
			}
			return nil, err
		}
		return &signet.Caller{Subject: "client:" + string(client.ID), Client: client, Bearer: bearer}, nil
	case bearer.Machine || bearer.UserID == "" || bearer.UserID.Application():
		return nil, denied("token_of_no_person", nil)
	}
	members, err := a.memberships(ctx, bearer.UserID)
	if err != nil {
		return nil, err
	}
	return &signet.Caller{Subject: string(bearer.UserID), UserID: bearer.UserID, Members: members, Bearer: bearer}, nil
}

// memberships are those that count: accepted, and in an account that is not disabled.
func (a *Account) memberships(ctx context.Context, user signet.UserID) ([]signet.Member, error) {
	all, err := a.o.Members.Memberships(ctx, user)
	if err != nil {
		return nil, err
	}
	var live []signet.Member
	for i := range all.Members {
		if m := &all.Members[i]; m.AcceptedAt != nil && !m.AccountDisabled {
			live = append(live, *m)
		}
	}
	return live, nil
}
