package grid

import (
	"net/http"
	"net/url"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/test/e2e"
)

// column is a principal in a state: enter brings the world into it, cannot says why there is no such thing.
type column struct {
	principal string
	state     state
	enter     func(*world)
	cannot    string
}

// columns is the product of all principals and states.
func columns() []column {
	byPrincipal := map[string]map[state]func(*world){
		"web":     clientStates(func(w *world) *client { return &w.web }),
		"service": clientStates(func(w *world) *client { return &w.service }),
		"partner": clientStates(func(w *world) *client { return &w.partner }),
		"system":  clientStates(func(w *world) *client { return &w.system }),
		"asker":   clientStates(func(w *world) *client { return &w.asker }),
		"user":    userStates(), "member": memberStates(), "account": accountStates(), "apikey": apiKeyStates(), "device": deviceStates(),
		"intentkey": intentKeyStates(), "biller": billerStates(), "hmac": hmacStates(), "server": serverStates(), "invoices": invoicesStates(),
		"pin": pinStates(), "aes": aesStates(),
	}
	var out []column
	for _, principal := range principals {
		for _, in := range states {
			out = append(out, column{principal: principal, state: in, enter: byPrincipal[principal][in], cannot: impossible[principal][in]})
		}
	}
	return out
}

// impossible are the states that a principal cannot be in.
var impossible = map[string]map[state]string{
	"user":      {rotatedOld: "a person has one password", rotatedNew: "a person has one password"},
	"member":    merge(cells{"": {disabled: "a membership is there or ended"}}, noRotation("has no credential"), noLock())[""],
	"account":   merge(noRotation("has no credential"), noLock())[""],
	"device":    noRotation("a device has one password for life")[""],
	"intentkey": merge(cells{"": {disabled: "a key lives or has ended", again: "an ended key stays ended"}}, noLock())[""],
	"biller":    noRotation("its keys are the principal hmac")[""],
	"hmac":      merge(cells{"": {disabled: "a key lives or has ended", again: "an ended key stays ended"}}, noLock())[""],
	"server":    merge(noRotation("signet holds its private key, so that the public one cannot be changed"), noLock())[""],
	"invoices":  merge(cells{"": {gone: "it is configured"}}, noRotation("signet holds its private key, so that the public one cannot be changed"), noLock())[""],
	"pin":       {rotatedOld: "an application has one PIN", rotatedNew: "an application has one PIN"},
	"aes":       merge(cells{"": {disabled: "a key lives or has ended", again: "an ended key stays ended"}}, noLock())[""],
}

func noRotation(why string) cells {
	return cells{"": {rotatedOld: why, rotatedNew: why, endedOld: why, endedNew: why}}
}

func noLock() cells {
	const why = "nobody guesses at it by itself"
	return cells{"": {locked: why, lockedAway: why}}
}

// switched is disabled and enabled again of a record of the admin API.
func switched(path func(*world) string) map[state]func(*world) {
	turn := func(w *world, to string) { w.admin(http.MethodPost, path(w)+"/"+to, nil, nil) }
	return map[state]func(*world){
		disabled: func(w *world) { turn(w, "disable") },
		again:    func(w *world) { turn(w, "disable"); turn(w, "enable") },
	}
}

// guess tries something wrong until it is throttled.
func (w *world) guess(throttled string, attempt func() string) {
	w.t.Helper()
	const most = 30
	for range most {
		if attempt() == throttled {
			return
		}
	}
	w.t.Fatalf("%d wrong guesses, and never %s", most, throttled)
}

func clientStates(of func(*world) *client) map[state]func(*world) {
	out := switched(func(w *world) string { return "/clients/" + of(w).id })
	out[gone] = func(w *world) { of(w).id = signet.NewUUID() }
	rotate := func(w *world, keep int) (older, newer client) {
		older, newer = *of(w), *of(w)
		if older.key == nil {
			var made e2e.Client
			w.admin(http.MethodPost, "/clients/"+older.id+"/secrets", map[string]any{"overlap": keep}, &made)
			newer.secret = made.ClientSecret
			return older, newer
		}
		newer.kid, newer.key = "p2", newKey(w.t)
		set := keySet(older, newer)
		if keep == 0 {
			set = keySet(newer)
		}
		older.metadata["jwks"] = set
		w.admin(http.MethodPut, "/clients/"+older.id, older.metadata, nil)
		return older, newer
	}
	out[rotatedOld] = func(w *world) { *of(w), _ = rotate(w, 3600) }
	out[rotatedNew] = func(w *world) { _, *of(w) = rotate(w, 3600) }
	out[endedOld] = func(w *world) { *of(w), _ = rotate(w, 0) }
	out[endedNew] = func(w *world) { _, *of(w) = rotate(w, 0) }
	guess := func(w *world, from string) {
		wrong := *of(w)
		wrong.secret = signet.NewSecret(signet.SecretClient).Reveal()
		if wrong.key != nil {
			wrong.key = newKey(w.t)
		}
		w.guess(busy, func() string {
			return w.form(from, "/token", wrong, url.Values{"grant_type": {"client_credentials"}}).verdict()
		})
	}
	out[locked] = func(w *world) { w.askNet = w.net; guess(w, w.net) }
	out[lockedAway] = func(w *world) { guess(w, w.away) }
	return out
}

func userStates() map[state]func(*world) {
	out := switched(func(w *world) string { return "/users/" + w.user.Sub })
	out[gone] = func(w *world) { w.user.Username += "-nobody" }
	change := func(w *world) string {
		const newer = "another horse, another battery"
		w.admin(http.MethodPut, "/users/"+w.user.Sub+"/password", map[string]any{"password": newer}, nil)
		return newer
	}
	out[endedOld] = func(w *world) { change(w) }
	out[endedNew] = func(w *world) { w.user.Password = change(w) }
	guess := func(w *world, from string) {
		wrong := *w
		wrong.user.Password = "wrong horse battery staple"
		w.guess("login 429", func() string { _, verdict := wrong.logIn(from); return verdict })
	}
	out[locked] = func(w *world) { guess(w, w.net) }
	out[lockedAway] = func(w *world) { guess(w, w.away) }
	return out
}

func memberStates() map[state]func(*world) {
	path := func(w *world) string { return "/accounts/" + w.account + "/members/" + w.user.Sub }
	end := func(w *world) { w.admin(http.MethodDelete, path(w), nil, nil) }
	return map[state]func(*world){gone: end, again: func(w *world) {
		end(w)
		w.admin(http.MethodPut, path(w), map[string]any{"role": "account-owner", "accepted": true}, nil)
	}}
}

func accountStates() map[state]func(*world) {
	out := switched(func(w *world) string { return "/accounts/" + w.account })
	out[gone] = func(w *world) { w.account = signet.NewUUID() }
	return out
}

func apiKeyStates() map[state]func(*world) {
	path := func(w *world) string { return "/accounts/" + w.account + "/api-keys/" + w.keyName }
	set := func(w *world, enabled bool) {
		w.admin(http.MethodPut, path(w), map[string]any{"enabled": enabled}, nil)
	}
	end := func(w *world) {
		w.admin(http.MethodPut, path(w), map[string]any{"name": w.keyName, "role": "account-owner", "enabled": true,
			"expires_at": time.Now().Add(-time.Second).UTC()}, nil)
	}
	second := func(w *world) { w.key = w.newAPIKey("Till, newer") }
	guess := func(w *world, from string) {
		w.guess("429 Too many requests", func() string {
			return w.send(from, http.MethodGet, "/api/account-memberships", http.Header{"X-Api-Key": {signet.NewSecret(signet.SecretAPIKey).Reveal()}}, nil).verdict()
		})
	}
	return map[state]func(*world){
		disabled:   func(w *world) { set(w, false) },
		again:      func(w *world) { set(w, false); set(w, true) },
		gone:       func(w *world) { w.key = signet.NewSecret(signet.SecretAPIKey).Reveal() },
		rotatedOld: func(w *world) { w.newAPIKey("Till, newer") },
		rotatedNew: second,
		endedOld:   func(w *world) { w.newAPIKey("Till, newer"); end(w) },
		endedNew:   func(w *world) { second(w); end(w) },
		locked:     func(w *world) { guess(w, w.net) },
		lockedAway: func(w *world) { guess(w, w.away) },
	}
}

func deviceStates() map[state]func(*world) {
	out := switched(func(w *world) string { return "/accounts/" + w.account + "/devices/" + w.dcn + "/" + w.device })
	out[gone] = func(w *world) { w.device = signet.NewUUID() }
	guess := func(w *world, from string) {
		wrong := *w
		wrong.devicePassword = signet.NewSecret(signet.SecretDevice).Reveal()
		w.guess("429 Too many attempts; try again later.", func() string {
			return w.send(from, http.MethodPost, "/payment/api/jwt/create", wrong.deviceBar(), map[string]any{"Audience": "PaymentPage", "Subject": "S"}).verdict()
		})
	}
	out[locked] = func(w *world) { guess(w, w.net) }
	out[lockedAway] = func(w *world) { guess(w, w.away) }
	return out
}

// intentKeyStates: the server chooses the key that signs, so that older and newer are one here. Gone: all have ended.
func intentKeyStates() map[state]func(*world) {
	rotate := func(w *world, keep int) {
		w.admin(http.MethodPost, "/accounts/"+w.account+"/intent-keys", map[string]any{"overlap": keep}, nil)
	}
	keep, end := func(w *world) { rotate(w, 3600) }, func(w *world) { rotate(w, 0) }
	return map[state]func(*world){rotatedOld: keep, rotatedNew: keep, endedOld: end, endedNew: end, gone: func(w *world) {
		var account struct {
			Keys []struct {
				KID string `json:"kid"`
			} `json:"intent_keys"`
		}
		w.admin(http.MethodGet, "/accounts/"+w.account, nil, &account)
		for _, key := range account.Keys {
			w.admin(http.MethodDelete, "/accounts/"+w.account+"/intent-keys/"+key.KID, nil, nil)
		}
	}}
}

func billerStates() map[state]func(*world) {
	out := switched(func(w *world) string { return "/billers/" + w.biller })
	out[gone] = func(w *world) { w.biller = signet.NewUUID() }
	guess := func(w *world, from string) {
		wrong := *w
		wrong.hmac = hmacKey{hex: nobodysKey}
		w.guess("429 Too Many Requests", func() string { return wrong.legacy(from, "/api/v1/tokens", "invoiceGuid", "invoice_id").verdict() })
	}
	out[locked] = func(w *world) { guess(w, w.net) }
	out[lockedAway] = func(w *world) { guess(w, w.away) }
	return out
}

const nobodysKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func hmacStates() map[state]func(*world) {
	rotate := func(w *world) hmacKey {
		var made struct {
			KID string `json:"kid"`
			Key string `json:"hmac_key"`
		}
		w.admin(http.MethodPost, "/billers/"+w.biller+"/keys", map[string]any{}, &made)
		return hmacKey{made.KID, made.Key}
	}
	end := func(w *world, kid string) { w.admin(http.MethodDelete, "/billers/"+w.biller+"/keys/"+kid, nil, nil) }
	return map[state]func(*world){
		gone:       func(w *world) { w.hmac.hex = nobodysKey },
		rotatedOld: func(w *world) { rotate(w) },
		rotatedNew: func(w *world) { w.hmac = rotate(w) },
		endedOld:   func(w *world) { rotate(w); end(w, w.hmac.kid) },
		endedNew:   func(w *world) { older := w.hmac.kid; w.hmac = rotate(w); end(w, older) },
	}
}

func serverStates() map[state]func(*world) {
	out := switched(func(w *world) string { return "/resource-servers/" + w.server })
	out[gone] = func(w *world) { w.resource = "https://nobody.example.com" }
	return out
}

func invoicesStates() map[state]func(*world) {
	return switched(func(*world) string { return "/resource-servers/invoices" })
}

func pinStates() map[state]func(*world) {
	out := switched(func(w *world) string { return "/pin-applications/" + w.pinID })
	out[gone] = func(w *world) { w.pinName += "-nobody" }
	change := func(w *world) string {
		const newer = "40404040"
		w.admin(http.MethodPut, "/pin-applications/"+w.pinID+"/pin", map[string]any{"pin": newer}, nil)
		return newer
	}
	out[endedOld] = func(w *world) { change(w) }
	out[endedNew] = func(w *world) { w.pin = change(w) }
	guess := func(w *world, from string) {
		wrong := *w
		wrong.pin = "wrong PIN"
		w.guess("429 too_many_attempts", func() string { return wrong.pinLogin(from, "/auth").verdict() })
	}
	out[locked] = func(w *world) { guess(w, w.net) }
	out[lockedAway] = func(w *world) { guess(w, w.away) }
	return out
}

func aesStates() map[state]func(*world) {
	rotate := func(w *world) pinKey {
		var made struct{ KID, Key string }
		w.admin(http.MethodPost, "/pin-applications/"+w.pinID+"/keys", map[string]any{}, &made)
		return pinKey{made.KID, made.Key}
	}
	end := func(w *world, kid string) {
		w.admin(http.MethodDelete, "/pin-applications/"+w.pinID+"/keys/"+kid, nil, nil)
	}
	return map[state]func(*world){
		gone:       func(w *world) { w.aes.hex = nobodysKey },
		rotatedOld: func(w *world) { rotate(w) },
		rotatedNew: func(w *world) { w.aes = rotate(w) },
		endedOld:   func(w *world) { rotate(w); end(w, w.aes.kid) },
		endedNew:   func(w *world) { older := w.aes.kid; w.aes = rotate(w); end(w, older) },
	}
}
