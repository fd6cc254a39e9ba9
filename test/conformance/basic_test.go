package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

// basic lists the modules of oidcc-basic in the suite's order; oidcc-formpost-basic has the same ones.
func basic() []entry {
	return slices.Concat([]entry{
		{"oidcc-server", server},
		{"oidcc-response-type-missing", responseTypeMissing},
		{"oidcc-idtoken-signature", server}, // the checks of every ID token: RS256 by default, with a published kid
		{"oidcc-idtoken-unsigned", idTokenUnsigned},
		{"oidcc-userinfo-get", userinfoGet},
		{"oidcc-userinfo-post-header", userinfoPostHeader},
		{"oidcc-userinfo-post-body", userinfoPostBody},
		{"oidcc-ensure-request-without-nonce-succeeds-for-code-flow", withoutNonce},
		{"oidcc-scope-profile", scopes("profile")},
		{"oidcc-scope-email", scopes("email")},
		{"oidcc-scope-address", scopes("address")},
		{"oidcc-scope-phone", scopes("phone")},
		{"oidcc-scope-all", scopes("profile", "email", "address", "phone")},
		{"oidcc-alternate-happy-flow", alternate},
		{"oidcc-display-page", shows("display", "page")},
		{"oidcc-display-popup", shows("display", "popup")},
	}, prompts(), []entry{
		{"oidcc-ensure-request-with-unknown-parameter-succeeds", ignores("extra", "foobar")},
		{"oidcc-id-token-hint", idTokenHint},
		{"oidcc-login-hint", loginHint},
		{"oidcc-ui-locales", ignores("ui_locales", "se")},
		{"oidcc-claims-locales", ignores("claims_locales", "se")},
		{"oidcc-ensure-request-with-acr-values-succeeds", acrValues},
		{"oidcc-codereuse", codeReuse},
		{"oidcc-codereuse-30seconds", codeReuseLater},
		{"oidcc-ensure-registered-redirect-uri", unregisteredRedirect},
		{"oidcc-ensure-post-request-succeeds", byPost},
		{"oidcc-server-client-secret-post", secretPost},
	}, requestObjects(), []entry{
		{"oidcc-claims-essential", claimsEssential},
		{"oidcc-refresh-token", refresh},
		{"oidcc-ensure-request-with-valid-pkce-succeeds", pkce},
	})
}

func TestBasic(t *testing.T) {
	t.Parallel()
	runPlan(t, startOP(t), false, basic())
}

func TestFormPost(t *testing.T) {
	t.Parallel()
	runPlan(t, startOP(t), true, basic())
}

func server(m *module) {
	got := m.login(m.op.first, m.request(m.op.first))
	m.person(m.userinfo(got.access), got)
}

func withoutNonce(m *module) { m.login(m.op.first, m.request(m.op.first, "nonce", "")) }

func idTokenUnsigned(m *module) {
	m.op.lacks(m.T, "id_token_signing_alg_values_supported", "none")
}

func userinfoGet(m *module) {
	got := m.login(m.op.first, m.request(m.op.first))
	m.person(m.userinfo(got.access), got)
	if other := m.userinfo(got.access + "x"); other.status != http.StatusUnauthorized {
		m.Errorf("a token that is not ours: %v", other)
	}
}

func userinfoPostHeader(m *module) {
	got := m.login(m.op.first, m.request(m.op.first))
	request, err := http.NewRequest(http.MethodPost, m.op.endpoint(m.T, "userinfo_endpoint"), nil)
	if err != nil {
		m.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+got.access)
	m.person(m.op.send(m.T, request), got)
}

func userinfoPostBody(m *module) {
	got := m.login(m.op.first, m.request(m.op.first))
	request := m.op.form(m.T, m.op.endpoint(m.T, "userinfo_endpoint"), url.Values{"access_token": {got.access}})
	m.person(m.op.send(m.T, request), got)
}

// scopeClaims are the claims of a scope (OIDC Core §5.4).
func scopeClaims(scope string) []string {
	switch scope {
	case "profile":
		return []string{"name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture", "website",
			"gender", "birthdate", "zoneinfo", "locale", "updated_at", "preferred_username"}
	case "email":
		return []string{"email", "email_verified"}
	case "phone":
		return []string{"phone_number", "phone_number_verified"}
	default:
		return []string{scope}
	}
}

// scopes wants the claims of the scopes and no others.
func scopes(names ...string) func(*module) {
	return func(m *module) {
		want := []string{"sub"}
		for _, name := range names {
			if !slices.Contains(m.op.list(m.T, "scopes_supported"), name) {
				m.Errorf("scopes_supported lacks %s", name)
			}
			want = append(want, scopeClaims(name)...)
		}
		got := m.login(m.op.first, m.request(m.op.first, "scope", "openid "+strings.Join(names, " ")))
		claims := m.person(m.userinfo(got.access), got)
		for _, name := range want {
			if _, there := claims[name]; !there {
				m.Errorf("userinfo lacks %s", name)
			}
		}
		if len(claims) != len(want) {
			m.Errorf("userinfo has %v, want %v", claims, want)
		}
	}
}

// alternate sends scope tokens and parameters in another order.
func alternate(m *module) {
	request := m.request(m.op.first, "scope", "phone email openid")
	query := ""
	for _, name := range []string{"state", "scope", "response_type", "redirect_uri", "response_mode", "nonce", "client_id"} {
		if request.Has(name) {
			query += "&" + name + "=" + url.QueryEscape(request.Get(name))
		}
	}
	page := m.browser.Get(m.op.endpoint(m.T, "authorization_endpoint") + "?" + query[1:])
	got, _ := m.finish(page, m.op.first, request)
	if claims := m.person(m.userinfo(got.access), got); claims["email"] != m.op.user.Email {
		m.Errorf("email %v", claims["email"])
	}
}

// shows wants the login page in spite of a parameter, and the happy flow behind it.
func shows(name, value string) func(*module) {
	return func(m *module) {
		request := m.request(m.op.first, name, value)
		if _, logins := m.finish(m.visit(request), m.op.first, request); logins != 1 {
			m.Errorf("%d login pages", logins)
		}
	}
}

func ignores(name, value string) func(*module) {
	return func(m *module) { m.login(m.op.first, m.request(m.op.first, name, value)) }
}

// loginHint names nobody we know; the person logs in all the same.
func loginHint(m *module) {
	request := m.request(m.op.first, "login_hint", "buffy@"+strings.TrimPrefix(m.op.Card.Issuer, "https://"))
	if _, logins := m.finish(m.visit(request), m.op.first, request); logins != 1 {
		m.Errorf("%d login pages", logins)
	}
}

func acrValues(m *module) {
	offered := m.op.list(m.T, "acr_values_supported")
	if len(offered) == 0 {
		m.Fatal("acr_values_supported is empty: the suite would ask for 1 and 2")
	}
	got := m.login(m.op.first, m.request(m.op.first, "acr_values", strings.Join(offered, " ")))
	if acr, _ := got.claims["acr"].(string); !slices.Contains(offered, acr) {
		m.Errorf("acr %v, want one of %v", got.claims["acr"], offered)
	}
}

// byPost sends the authorization request in a form.
func byPost(m *module) {
	request := m.request(m.op.first, "state", random(128))
	m.finish(m.browser.Post(m.op.endpoint(m.T, "authorization_endpoint"), request), m.op.first, request)
}

func secretPost(m *module) { m.login(m.op.post, m.request(m.op.post)) }

// claimsEssential: name comes at userinfo, not in the ID token, which refuses every claim outside the standard set.
func claimsEssential(m *module) {
	if m.op.metadata["claims_parameter_supported"] != true {
		m.Error("the metadata does not say that the claims parameter counts")
	}
	got := m.login(m.op.first, m.request(m.op.first, "claims", `{"userinfo":{"name":{"essential":true}}}`))
	if claims := m.person(m.userinfo(got.access), got); claims["name"] == nil {
		m.Errorf("userinfo has no name: %v", claims)
	}
}

// pkce is sent by a client that need not; then the verifier must count.
func pkce(m *module) {
	verifier := oauth2.GenerateVerifier()
	request := m.request(m.op.first, "code_challenge", oauth2.S256ChallengeFromVerifier(verifier), "code_challenge_method", "S256")
	page, _ := m.walk(m.visit(request))
	code := m.code(m.response(page, request), request)
	m.tokenFault(m.exchange(m.op.first, request, code), "invalid_grant")

	request.Set("state", random(16))
	again := m.visit(request)
	request.Set("verifier", verifier) // for exchange alone: it was not part of what was sent
	m.redeem(m.op.first, request, m.code(m.response(again, request), request))
}
