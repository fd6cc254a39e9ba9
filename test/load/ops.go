package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// target is a server under measurement: signet or the floor. Both answer on the same paths.
type target struct {
	base, issuer             string
	serviceID, serviceSecret string
	partnerID                string
	partnerKey               *ecdsa.PrivateKey
	resourceID, resourceKey  string
	appID, redirectURI       string
	card                     *card
	login                    func(ctx context.Context, w *worker) error // leaves the session's cookies in w.client.Jar
}

// Fixed PKCE pair (RFC 7636 appendix B).
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func (t *target) operations() []operation {
	return append([]operation{
		{name: "discovery", budget: "0 SQL, 0 Redis", do: t.get("/.well-known/openid-configuration")},
		{name: "JWKS", budget: "0 SQL, 0 Redis", do: t.get("/.well-known/jwks.json")},
		{name: "client_credentials, secret", budget: "0 SQL, 0 Redis", do: t.withSecret},
		{name: "client_credentials, private_key_jwt ES256", budget: "0 SQL, 1 round trip", prepare: t.signAssertions, do: t.withAssertion},
		{name: "introspection of a JWT", budget: "0 SQL, 1 round trip", prepare: t.fetchAccessToken, do: t.introspect},
		{name: "userinfo", budget: "0 SQL, 1 round trip", prepare: t.fetchAccessToken, do: t.userinfo},
		{name: "refresh (with an RS256 ID token)", budget: "1 read + 1 transaction of 4", prepare: t.fetchAccessToken, do: t.refresh},
		{name: "code flow: authorize and token", budget: "", prepare: t.prepareLogin, do: t.codeFlow},
	}, t.contractOperations()...)
}

func (t *target) get(path string) func(context.Context, *worker, string) error {
	return func(ctx context.Context, w *worker, base string) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return err
		}
		_, err = w.send(request, http.StatusOK)
		return err
	}
}

func (t *target) withSecret(ctx context.Context, w *worker, base string) error {
	_, err := w.form(ctx, base+"/token", url.Values{"grant_type": {"client_credentials"}}, t.serviceID, t.serviceSecret)
	return err
}

// signAssertions signs beforehand what the loop will send. A Redis without memory accepts only what was made ten
// seconds after it was found empty, so the first assertions wait for that.
func (t *target) signAssertions(ctx context.Context, w *worker, base string, requests int) error {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "bench")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: t.partnerKey}, options)
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for attempt := 0; ; attempt++ {
		first, err := t.assertion(signer)
		if err != nil {
			return err
		}
		if err = t.sendAssertion(ctx, w, base, first); err == nil {
			break
		}
		if attempt == 20 {
			return err
		}
		<-tick.C
	}
	for range requests {
		next, err := t.assertion(signer)
		if err != nil {
			return err
		}
		w.assertions = append(w.assertions, next)
	}
	return nil
}

func (t *target) assertion(signer jose.Signer) (string, error) {
	now := time.Now().Unix()
	payload, err := json.Marshal(map[string]any{"iss": t.partnerID, "sub": t.partnerID, "aud": t.issuer,
		"iat": now, "exp": now + 290, "jti": text(16)})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func (t *target) withAssertion(ctx context.Context, w *worker, base string) error {
	if len(w.assertions) == 0 {
		return errPrepared
	}
	next := w.assertions[0]
	w.assertions = w.assertions[1:]
	return t.sendAssertion(ctx, w, base, next)
}

func (t *target) sendAssertion(ctx context.Context, w *worker, base, assertion string) error {
	_, err := w.form(ctx, base+"/token", url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}, "", "")
	return err
}

func (t *target) prepareLogin(ctx context.Context, w *worker, _ string, _ int) error {
	if t.login == nil {
		return nil
	}
	return t.login(ctx, w)
}

func (t *target) fetchAccessToken(ctx context.Context, w *worker, base string, _ int) error {
	if err := t.prepareLogin(ctx, w, base, 0); err != nil {
		return err
	}
	return t.codeFlow(ctx, w, base)
}

func (t *target) codeFlow(ctx context.Context, w *worker, base string) error {
	query := url.Values{"response_type": {"code"}, "client_id": {t.appID}, "redirect_uri": {t.redirectURI},
		"scope": {"openid profile email offline_access"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/authorize?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	answer, err := w.send(request, http.StatusSeeOther)
	if err != nil {
		return err
	}
	location, err := url.Parse(answer.header.Get("Location"))
	if err != nil {
		return err
	}
	code := location.Query().Get("code")
	if code == "" {
		return fmt.Errorf("no code in %s", location)
	}
	return w.tokens(ctx, base, url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {t.redirectURI}, "code_verifier": {verifier}, "client_id": {t.appID}})
}

func (t *target) refresh(ctx context.Context, w *worker, base string) error {
	return w.tokens(ctx, base, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.state["refresh_token"]}, "client_id": {t.appID}})
}

func (t *target) introspect(ctx context.Context, w *worker, base string) error {
	body, err := w.form(ctx, base+"/introspect", url.Values{"token": {w.state["access_token"]}}, t.resourceID, t.resourceKey)
	if err != nil {
		return err
	}
	if !strings.Contains(string(body), `"active":true`) {
		return fmt.Errorf("not active: %s", body)
	}
	return nil
}

func (t *target) userinfo(ctx context.Context, w *worker, base string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/userinfo", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+w.state["access_token"])
	_, err = w.send(request, http.StatusOK)
	return err
}

type answer struct {
	header http.Header
	body   []byte
}

func (w *worker) send(request *http.Request, want int) (answer, error) {
	response, err := w.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	if response.StatusCode != want {
		return answer{}, fmt.Errorf("%s %s answered %d: %.200s", request.Method, request.URL.Path, response.StatusCode, body)
	}
	return answer{header: response.Header, body: body}, nil
}

func (w *worker) form(ctx context.Context, target string, values url.Values, user, password string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != "" {
		request.SetBasicAuth(url.QueryEscape(user), url.QueryEscape(password))
	}
	got, err := w.send(request, http.StatusOK)
	return got.body, err
}

// json posts a JSON body and wants 200.
func (w *worker) json(ctx context.Context, target string, header http.Header, body any) ([]byte, error) {
	request, err := jsonRequest(ctx, target, header, body)
	if err != nil {
		return nil, err
	}
	got, err := w.send(request, http.StatusOK)
	return got.body, err
}

func jsonRequest(ctx context.Context, target string, header http.Header, body any) (*http.Request, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	if header != nil {
		request.Header = header
	}
	request.Header.Set("Content-Type", "application/json")
	return request, nil
}

func (w *worker) tokens(ctx context.Context, base string, values url.Values) error {
	body, err := w.form(ctx, base+"/token", values, "", "")
	if err != nil {
		return err
	}
	var tokens map[string]any
	if err := json.Unmarshal(body, &tokens); err != nil {
		return err
	}
	for _, name := range []string{"access_token", "refresh_token"} {
		if value, ok := tokens[name].(string); ok {
			w.state[name] = value
		}
	}
	return nil
}
