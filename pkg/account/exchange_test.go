package account_test

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/account"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// An exchanged key's token has no more than the key, no longer than the key, for none but the operator's resources.
func TestProveAPIKey(t *testing.T) {
	t.Parallel()
	w := standard(t, func(o *account.Options) { o.Failures = noLimit{} })
	key := w.key("acme", "till", "merchant-terminal")
	ending := func(after time.Duration) string {
		at := start.Add(after)
		return w.key("acme", "ends "+after.String(), "merchant-terminal", func(k *signet.APIKey) { k.ExpiresAt = &at })
	}
	all := signet.Scope{"payment-requests:create", "payment-requests:cancel", "payment-requests:refund", "payment-requests:void",
		"payment-requests:pay", "patron-codes:read", "payment-requests:read"}
	one := []string{resource}
	for _, tc := range []struct {
		name, key, scope string
		resources        []string
		code             signet.Code // "": issued
		want             signet.Scope
		lifetime         time.Duration
	}{
		{"all that the role has", key, "", one, "", all, 15 * time.Minute},
		{"a part", key, "payment-requests:read patron-codes:read", one, "", signet.Scope{"payment-requests:read", "patron-codes:read"}, 15 * time.Minute},
		{"two resources", key, "patron-codes:read", []string{resource, "https://second.test", resource}, "", signet.Scope{"patron-codes:read"}, 15 * time.Minute},
		{"ends with the key", ending(100*time.Second + 500*time.Millisecond), "patron-codes:read", one, "", signet.Scope{"patron-codes:read"}, 100 * time.Second},
		{"the key lives longer", ending(time.Hour), "patron-codes:read", one, "", signet.Scope{"patron-codes:read"}, 15 * time.Minute},
		{"less than a second is left", ending(900 * time.Millisecond), "", one, signet.CodeInvalidToken, nil, 0},
		{"more than the role", key, "payment-requests:read accounts:read", one, signet.CodeInvalidScope, nil, 0},
		{"an odd scope", key, "a\"b", one, signet.CodeInvalidScope, nil, 0},
		{"a scope of spaces", key, "  ", one, signet.CodeInvalidScope, nil, 0},
		{"no resource", key, "", nil, signet.CodeInvalidTarget, nil, 0},
		{"an unknown resource", key, "", []string{"https://elsewhere.test"}, signet.CodeInvalidTarget, nil, 0},
		{"one of two is unknown", key, "", []string{resource, issuer}, signet.CodeInvalidTarget, nil, 0},
		{"an unknown key", signet.NewSecret(signet.SecretAPIKey).Reveal(), "", one, signet.CodeInvalidToken, nil, 0},
		{"an unknown key tells nothing of resources", key[:20], "", nil, signet.CodeInvalidToken, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			order, err := w.room.ProveAPIKey(t.Context(), signet.APIKeyRequest{Key: tc.key, Scope: tc.scope, Resources: tc.resources})
			if signet.CodeOf(err) != tc.code {
				t.Fatalf("%v, want code %q", err, tc.code)
			}
			if tc.code != "" {
				return
			}
			if !slices.Equal(order.Scope, tc.want) || order.Lifetime != tc.lifetime || order.GrantType != signet.GrantTokenExchange ||
				order.Principal != order.Subject || order.Principal[:4] != "key:" || order.Recipient != nil || order.ClientID != "" {
				t.Errorf("%+v", order)
			}
			if want := (signet.OrderClaims{Account: "acme", Role: "merchant-terminal", Permissions: tc.want}); !reflect.DeepEqual(order.Claims, want) {
				t.Errorf("%+v", order.Claims)
			}
			if order.Audience[0] != resource || len(order.Audience) != min(2, len(tc.resources)) {
				t.Errorf("audience %v", order.Audience)
			}
		})
	}
	must(t, w.store.SetAccountDisabled(t.Context(), "acme", true, signet.Event{}))
	if _, err := w.room.ProveAPIKey(t.Context(), signet.APIKeyRequest{Key: key, Resources: one}); signet.CodeOf(err) != signet.CodeInvalidToken {
		t.Errorf("of a disabled account: %v", err)
	}
}

// KEY-05 at the token endpoint's edge: the network of the request counts there as anywhere, and failures are counted.
func TestKEY05ExchangeFromElsewhere(t *testing.T) {
	t.Parallel()
	w := standard(t)
	key := w.key("acme", "till", "merchant-terminal", func(k *signet.APIKey) { k.AllowedNetworks = []string{"192.0.2.0/24"} })
	exchange := func(ctx context.Context, secret string) signet.Code {
		_, err := w.room.ProveAPIKey(ctx, signet.APIKeyRequest{Key: secret, Resources: []string{resource}, Client: &signet.Client{ID: "rp"}})
		return signet.CodeOf(err)
	}
	handler, err := web.New(web.Options{Log: nullLog(), Now: w.clock.now, Limits: web.Limits{Off: true}, Routes: []web.Route{{Name: "x", Methods: []string{"POST"},
		Path: "/x", Class: web.ClassToken, Handler: func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("X-Code", string(exchange(r.Context(), r.Header.Get("X-Secret"))))
		}}}})
	must(t, err)
	outer := w.handler
	w.handler = handler
	defer func() { w.handler = outer }()
	code := func(headers ...string) signet.Code {
		return signet.Code(w.send("POST", "/x", "", headers...).Header().Get("X-Code"))
	}
	if got := code("X-Secret", key); got != "" {
		t.Errorf("from its network: %s", got)
	}
	for i := range limit {
		if got := code("X-Secret", key, "", "203.0.113.9:1"); got != signet.CodeInvalidToken {
			t.Errorf("from elsewhere, %d: %s", i, got)
		}
	}
	if ev := w.events.last(); ev.Kind != signet.EventKeyRefused || ev.Reason != "key_network" || ev.ClientID != "rp" || ev.KeyID == "" {
		t.Errorf("%+v", ev)
	}
	if got := code("X-Secret", key, "", "203.0.113.9:1"); got != signet.CodeTooMany {
		t.Errorf("from elsewhere too often: %s", got)
	}
	if got := code("X-Secret", key); got != "" {
		t.Errorf("from its network, still: %s", got)
	}
}

// Introspection tells of live keys alone, and the resource server that asks need not stand in the key's network.
func TestAPIKeyFacts(t *testing.T) {
	t.Parallel()
	w := standard(t)
	key := w.key("acme", "till", "merchant-terminal", func(k *signet.APIKey) { k.AllowedNetworks = []string{"203.0.113.0/24"} })
	facts, err := w.room.APIKeyFacts(t.Context(), key)
	must(t, err)
	if facts.Key.Name != "till" || len(facts.Permissions) != 7 {
		t.Errorf("%+v", facts)
	}
	for range 2 * limit { // asking is no guess of a caller's
		for _, text := range []string{key[:20], signet.NewSecret(signet.SecretAPIKey).Reveal(), "", "0123456789abcdef"} {
			if _, err := w.room.APIKeyFacts(t.Context(), text); signet.CodeOf(err) != signet.CodeInvalidToken {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
	w.want(200, "PUT", "/api/accounts/acme/api-keys/till", `{"enabled":false}`, as("alice")...)
	if _, err := w.room.APIKeyFacts(t.Context(), key); signet.CodeOf(err) != signet.CodeInvalidToken {
		t.Errorf("disabled: %v", err)
	}
}
