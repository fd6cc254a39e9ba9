package oauth

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestFormPost(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	w := h.authorize("a", hp(idC1, "response_mode", "form_post", "state", `<"'&>`))
	body, header := w.Body.String(), w.Header()
	if w.Code != http.StatusOK || header.Get("Location") != "" || header.Get("Cache-Control") != "no-store" ||
		header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", w.Code, header)
	}
	csp := header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "form-action 'self' https://rp.test;") || strings.Contains(csp, "unsafe") {
		t.Errorf("CSP %q", csp)
	}
	for _, want := range []string{`action="https://rp.test/cb"`, `method="post"`, `name="code"`, `name="state"`, `name="iss"`, houseIssuer} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing in\n%s", want, body)
		}
	}
	if strings.Contains(body, `<"'&>`) || strings.Contains(body, `name="scope"`) {
		t.Errorf("\n%s", body)
	}
	// An app cannot receive a form, so the answer goes the way it can.
	app := h.answer(h.authorize("a", hp(idPub, "redirect_uri", "com.example.app:/cb", "response_mode", "form_post")), "com.example.app:/cb?")
	if app.Get("error") != "invalid_request" {
		t.Errorf("%v", app)
	}
	// Conformance 3: errors too, also when it is another parameter that is wrong.
	for _, change := range [][]string{{"response_type", ""}, {"prompt", "none", "max_age", "0"}, {"scope", "bogus"}} {
		w := h.authorize("a", hp(idC1, append(change, "response_mode", "form_post")...))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `name="error"`) || !strings.Contains(w.Body.String(), "the state") {
			t.Errorf("%v: %d\n%s", change, w.Code, w.Body)
		}
	}
}

// TestXSS01: whatever a parameter holds, the page shows it escaped or not at all.
func TestXSS01(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	random := regexp.MustCompile(`sgt_ac_[A-Za-z0-9_.-]+`)
	payloads := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=1>`, `'-alert(1)-'`, `</title><svg onload=1>`, `javascript:1`, `{{7*7}}`, `${7*7}`, "\u2028",
	}
	names := append(authorizeParameters(), "resource", "unknown", "flow")
	for _, payload := range payloads {
		for _, name := range names {
			for _, mode := range []string{"query", "form_post"} {
				params := hp(idC1, "response_mode", mode)
				params.Set(name, payload)
				w := h.authorize("a", params)
				if w.Code >= 500 {
					t.Errorf("%s=%s: %d", name, payload, w.Code)
				}
				if w.Code == http.StatusSeeOther {
					if location := w.Header().Get("Location"); w.Body.Len() != 0 || strings.ContainsAny(location, "<>\"'\r\n") {
						t.Errorf("%s=%s: Location %q", name, payload, location)
					}
					continue
				}
				// Codes and request ids are random, so 49 may well stand in them.
				body := random.ReplaceAllString(strings.ReplaceAll(w.Body.String(), w.Header().Get("X-Request-Id"), ""), "")
				if strings.ContainsAny(payload, `<>"'`) && strings.Contains(body, payload) || strings.Contains(body, "49") && strings.Contains(payload, "7*7") {
					t.Errorf("%s=%s:\n%s", name, payload, body)
				}
				csp := w.Header().Get("Content-Security-Policy")
				if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("%s: %q", name, csp)
				}
			}
		}
	}
}

// TestNothingSecretIsLogged: codes, states, nonces, flows and hints stay out of the event line.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	hint := h.idToken("JWT", map[string]any{"iss": houseIssuer, "sub": string(userU1), "aud": string(idC1), "iat": 1})
	code := h.answer(h.authorize("a", hp(idC1, "state", "canary-state", "nonce", "canary-nonce", "id_token_hint", hint)), "https://rp.test/cb?").Get("code")
	sealed := h.flow(h.authorize("a", hp(idC1, "state", "canary-state", "prompt", "login", "login_hint", "canary-hint")), "/login")
	h.page(h.get("a", "/authorize?client_id=canary-client&redirect_uri=canary-uri"), http.StatusBadRequest)
	for _, secret := range []string{code, sealed, hint, "canary-state", "canary-nonce", "canary-hint", "canary-client", "canary-uri"} {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	if !strings.Contains(h.log.String(), `"client_id":"c1"`) {
		t.Errorf("the event line names no client: %s", h.log)
	}
}
