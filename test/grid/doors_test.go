package grid

import (
	"net/http"
	"net/url"

	"github.com/signet-auth/signet/pkg/signet"
)

// kinds are the tokens that there are, in the order in which a world makes them.
var kinds = []string{"user", "refresh", "machine", "assertion", "system", "key", "pin", "pin refresh", "invoice", "payer", "payer reads", "intent"}

// spares are made beside them, for doors that use a token up.
var spares = []string{"code", "user spare", "pin refresh spare", "invoice spare"}

// marked are the tokens whose makers need replay marks: right after the start of an empty Redis they are refused.
func marked(kind string) bool { return kind == "assertion" || kind == "payer" || kind == "payer reads" }

// makeToken asks for a token of the kind as its caller does; what comes with it is in made, too. The verdict is ok or what
// the caller was told.
func (w *world) makeToken(kind string) (made map[string]string, verdict string) {
	w.t.Helper()
	grant := func(c client, form url.Values) (map[string]string, string) {
		got := w.form(w.net, "/token", c, form)
		return map[string]string{kind: got.text("access_token")}, got.verdict()
	}
	identity := func(name, resource string) (map[string]string, string) {
		got := w.identity(w.net, name, resource)
		return map[string]string{kind: got.text("access_token")}, got.verdict()
	}
	switch kind {
	case "code":
		redeem, verdict := w.logIn(w.net)
		return map[string]string{kind: redeem.Encode()}, verdict
	case "user", "refresh", "user spare":
		redeem, verdict := w.logIn(w.net)
		if verdict != ok {
			return nil, verdict
		}
		got := w.form(w.net, "/token", w.web, redeem)
		if kind == "user spare" {
			return map[string]string{kind: got.text("access_token")}, got.verdict()
		}
		return map[string]string{"user": got.text("access_token"), "refresh": got.text("refresh_token")}, got.verdict()
	case "machine":
		return grant(w.service, url.Values{"grant_type": {"client_credentials"}, "scope": {"intents"}})
	case "assertion":
		return grant(w.partner, url.Values{"grant_type": {"client_credentials"}, "scope": {"orders:read"}})
	case "system":
		return grant(w.system, url.Values{"grant_type": {"client_credentials"}, "scope": {"invoices:write"}})
	case "key":
		return grant(client{}, url.Values{"grant_type": {signet.GrantTokenExchange}, "subject_token": {w.key}, "resource": {apiAudience},
			"subject_token_type": {"urn:signet:params:oauth:token-type:api-key"}})
	case "pin", "pin refresh":
		got := w.pinLogin(w.net, "/auth")
		return map[string]string{"pin": got.text("data", "access_token"), "pin refresh": got.text("data", "refreshToken")}, got.verdict()
	case "pin refresh spare":
		got := w.pinLogin(w.net, "/token")
		return map[string]string{kind: got.text("data", "refreshToken")}, got.verdict()
	case "payer":
		return identity("user_id", w.resource)
	case "payer reads":
		return identity("user_id", invoicesAudience)
	case "invoice", "invoice spare":
		return identity("invoice_id", invoicesAudience)
	case "intent":
		got := w.createIntent(w.apiKey())
		return map[string]string{kind: got.text("Token")}, got.verdict()
	}
	w.t.Fatalf("no maker of %s", kind)
	return nil, ""
}

// make makes a token of the kind, once a round.
func (w *world) make(kind string) string {
	w.t.Helper()
	if before, tried := w.verdicts[kind]; !tried || undecided(before) {
		made, verdict := w.makeToken(kind)
		w.verdicts[kind] = verdict
		for name, token := range made {
			w.fresh[name], w.verdicts[name] = token, verdict
		}
	}
	return w.verdicts[kind]
}

// with makes a token of the kind and shows it at the door.
func (w *world) with(kind string, door func(token string) string) string {
	w.t.Helper()
	if verdict := w.make(kind); verdict != ok {
		return "no token: " + verdict
	}
	return door(w.fresh[kind])
}

// door is a row of the grid. Its cells are ok but for those that refused names.
type door struct {
	name string
	open func(*world) string
	// marks: it needs replay marks. prompt: it can be asked again and again, and must know of a change within a second.
	marks, prompt bool
	refused       cells
}

func doors() []door {
	out := makers()
	for _, kind := range kinds {
		if kind == "intent" {
			continue
		}
		out = append(out, uses("introspect", kind, "inactive", authenticates("asker"), (*world).introspect)...)
	}
	out = append(out, door{name: "introspect an API key", prompt: true, open: func(w *world) string { return w.introspect(w.key) },
		refused: merge(authenticates("asker"), keyCells("inactive"))})
	out = append(out, uses("userinfo", "user", "401 invalid_token", nil, func(w *world, token string) string {
		return w.send(w.net, http.MethodGet, "/userinfo", bearer(token), nil).verdict()
	})...)
	out = append(out, accountDoors()...)
	out = append(out, uses("PUT invoice", "system", "401 Unauthorized", merge(invoiceAPI(), cells{"biller": {disabled: "403 Forbidden", gone: "403 Forbidden"}}), (*world).putInvoice)...)
	for _, kind := range []string{"invoice", "payer reads"} {
		out = append(out, uses("GET invoice", kind, "401 Unauthorized", invoiceAPI(), (*world).getInvoice)...)
	}
	out = append(out, intentDoors()...)
	return append(append(out, refreshers()...), revokers()...)
}

// makers are the ways to a new token.
func makers() []door {
	names := map[string]string{"user": "authorization_code", "machine": "client_credentials, secret", "assertion": "client_credentials, private_key_jwt",
		"key": "token-exchange of an API key", "pin": "POST /auth", "payer": "hmac-identity, payer", "invoice": "hmac-identity, invoice"}
	var out []door
	for _, kind := range kinds {
		if name := names[kind]; name != "" {
			out = append(out, door{name: name, marks: marked(kind), refused: making(kind), open: func(w *world) string { return w.make(kind) }})
		}
	}
	return append(out,
		door{name: "POST /token, JSON", refused: making("pin"), open: func(w *world) string { return w.pinLogin(w.net, "/token").verdict() }},
		door{name: "authorization_code, code of before", refused: merge(dying("code", "400 invalid_grant"), authenticates("web")),
			open: func(w *world) string {
				redeem, err := url.ParseQuery(w.old["code"])
				if err != nil {
					w.t.Fatal(err)
				}
				return w.form(w.net, "/token", w.web, redeem).verdict()
			}},
		door{name: "POST /api/v1/tokens", refused: legacyCells(), open: func(w *world) string {
			return w.legacy(w.net, "/api/v1/tokens", "invoiceGuid", "invoice_id").verdict()
		}},
		door{name: "POST /api/v1/payertokens", marks: true, refused: legacyCells(), open: func(w *world) string {
			return w.legacy(w.net, "/api/v1/payertokens", "userGuid", "user_id").verdict()
		}})
}

// refreshers show refresh tokens of before, and use them up: they come after those who ask about them.
func refreshers() []door {
	again := func(path, kind string) func(*world) string {
		return func(w *world) string {
			return w.send(w.net, http.MethodPost, path, nil, map[string]any{"refreshToken": w.old[kind]}).verdict()
		}
	}
	return []door{
		{name: "refresh_token of before", refused: merge(dying("refresh", "400 invalid_grant"), authenticates("web")),
			open: func(w *world) string {
				return w.form(w.net, "/token", w.web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.old["refresh"]}}).verdict()
			}},
		{name: "POST /auth/refresh, token of before", refused: dying("pin refresh", "401 invalid_credentials"), open: again("/auth/refresh", "pin refresh spare")},
		{name: "POST /token/refresh, token of before", refused: dying("pin refresh", "401 invalid_credentials"), open: again("/token/refresh", "pin refresh")},
	}
}

// uses are two doors: for a token of before the change, and for one that is made after it. dead is what the first one says
// of a token that was taken back, own what is refused whatever the token.
func uses(name, kind, dead string, own cells, open func(*world, string) string) []door {
	return []door{
		{name: name + ", " + kind + " of before", marks: marked(kind), prompt: name == "introspect", refused: merge(own, dying(kind, dead)),
			open: func(w *world) string { return open(w, w.old[kind]) }},
		{name: name + ", new " + kind, marks: marked(kind), refused: merge(own, prefixed(making(kind))),
			open: func(w *world) string {
				return w.with(kind, func(token string) string { return open(w, token) })
			}},
	}
}

func accountDoors() []door {
	out := uses("account-memberships", "user", "401 Unauthorized", cells{"member": {gone: "200 none"}, "account": {disabled: "200 none", gone: "200 none"}},
		func(w *world, token string) string { return w.memberships(bearer(token)) })
	out = append(out, uses("permissions/check", "user", "401 Unauthorized",
		cells{"member": {gone: "200 not allowed"}, "account": {disabled: "200 not allowed", gone: "200 not allowed"}},
		func(w *world, token string) string { return w.permission(bearer(token)) })...)
	return append(out,
		door{name: "account-memberships, API key", refused: merge(keyCells("401 Unauthorized"), cells{"account": {gone: "200 none"}}),
			open: func(w *world) string { return w.memberships(w.apiKey()) }},
		door{name: "permissions/check, API key", refused: merge(keyCells("401 Unauthorized"), cells{"account": {gone: "200 not allowed"}}),
			open: func(w *world) string { return w.permission(w.apiKey()) }})
}

func intentDoors() []door {
	refused := "401 Authentication failed."
	create := func(header func(*world) http.Header) func(*world) string {
		return func(w *world) string { return w.createIntent(header(w)).verdict() }
	}
	validate := func(header func(*world) http.Header) func(*world) string {
		return func(w *world) string { return w.validate(header(w), w.old["intent"]) }
	}
	account := cells{"account": {disabled: refused}}
	out := []door{
		{name: "intents create, API key", refused: keyCells(refused), open: create((*world).apiKey)},
		{name: "intents create, device", refused: deviceCells(), open: create((*world).deviceBar)},
		{name: "intents create, device by Basic", refused: deviceCells(), open: create((*world).deviceBasic)},
		{name: "intents validate, API key, intent of before", refused: merge(dying("intent", "200 JWT token is invalid."), keyCells(refused)),
			open: validate((*world).apiKey)},
		{name: "intents validate, device, intent of before", refused: merge(dying("intent", "200 JWT token is invalid."), deviceCells()),
			open: validate((*world).deviceBar)},
		{name: "intents validate, new intent", refused: prefixed(making("intent")), open: func(w *world) string {
			return w.with("intent", func(intent string) string { return w.validate(w.apiKey(), intent) })
		}},
	}
	out = append(out, uses("intents create", "machine", refused, account, func(w *world, token string) string {
		return w.createIntent(bearer(token)).verdict()
	})...)
	return append(out, uses("intents validate", "machine", refused, merge(dying("intent", "200 JWT token is invalid."), account), func(w *world, token string) string {
		return w.validate(bearer(token), w.old["intent"])
	})...)
}

// revokers take a token of before back, and see it dead.
func revokers() []door {
	revoke := func(w *world, c client, kind string) string {
		got := w.form(w.net, "/revoke", c, url.Values{"token": {w.old[kind]}}).verdict()
		if got != ok {
			return got
		}
		// Another resource server asks: the world's own may be the one that is disabled.
		asked := w.form(w.net, "/introspect", client{id: w.card.Clients.ResourceServer.ClientID, secret: w.card.Clients.ResourceServer.ClientSecret},
			url.Values{"token": {w.old[kind]}})
		if active, known := asked.members["active"].(bool); !known || active {
			return "200 and still active"
		}
		return ok
	}
	return []door{
		{name: "revoke, user of before", refused: authenticates("web"), open: func(w *world) string { return revoke(w, w.web, "user spare") }},
		{name: "revoke, invoice of before, by the biller's client", refused: authenticates("system"),
			open: func(w *world) string { return revoke(w, w.system, "invoice spare") }},
	}
}
