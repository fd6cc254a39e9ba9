package clientauth_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
)

// documentSample is the client_assertion of the call in document 004, as it is printed, blanks and all.
const documentSample = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL3Rlc 3 QuZW50aXR5LmNvbTo3NDQzL2F1dGgvcmVhbG1zL2djcCIsInN1YiI6InhJRC13 ZWIiLCJhdWQiOiJodHRwczovL2F1dGguZXdzaW5ub3ZhdGlvbnMuY29tL2F1dGg vcmVhbG1zL2JhbmtpZ C9wcm90b2NvbC9vcGVuaWQtY29ubmVjdC90b2tlbiIsImV4cCI6IjE1ODUzMTcw NzUiLC JuYmYiOiIxNTg1MzE1MjY1IiwiaWF0IjoiMTU4NTMxNTI3NSIsImp0aSI6IjE0O WE0ZDM 5 LWI0MzQtNGRlYy1hZTg5LTUxNmFhMGI5YmMyZiJ9.YOnSi6M9to8 - pc0fECaRcRLvi_Xt8SuFFA6t37zDdyhXc97aFBYYu63VszuInmiKM7F16BwjuFY EHY5whDxUe4qHp1u1aVgw3K67LI5yWqkw8OO5kG - fFAPlUcbpcv8j7ZTY6jvLqq41xkb_hSfcFP0YriFLamXWDb8m09aWdL9P9YRbYd v1UlMBdopoMIJ4VGcWn_boWyiG8yRdtalYm8wtSsf0kelFJXzAaTNi8h45aswYW DimEXc8aCTP25S0g7aSRu8AeEXD4CxnHJV5galEcuWKbRs5NxDZ8EsVYVwvqbB6 Lv7pHT3bTOByaTBK9q4KCH0fp8QUa4wbT9xw"

func TestExplainTheDocumentsSample(t *testing.T) {
	t.Parallel()
	faults := clientauth.Explain(documentSample, clientauth.Expectations{
		ClientID: "b34c6678-9e36-11eb-a8b3-0242ac130003", Audiences: []string{"https://as.test/token", issuer},
		Now: start, GrantType: "client_credential",
		AssertionType: "urn: ietf: params: oauth: client - assertiontype: jwt - bearer",
	})
	for _, want := range []string{"grant_type is \"client_credential\"", "client_assertion_type is", "holds blanks", "no kid", "iss is \"https://test.entity.com:7443/auth/realms/gcp\" and sub is \"xID-web\"",
		"aud is \"https://auth.ewsinnovations.com/auth/realms/bankid/protocol/openid-connect/token\"", "exp is the text \"1585317075\"", "iat is the text", "nbf is the text", "exp is over"} {
		if !slices.ContainsFunc(faults, func(fault string) bool { return strings.Contains(fault, want) }) {
			t.Errorf("no fault says %q:\n%s", want, strings.Join(faults, "\n"))
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1", "RS256")
	e := clientauth.Expectations{ClientID: "pk", Audiences: []string{issuer}, KeyIDs: []string{"k1"}, Now: start}
	if faults := clientauth.Explain(key.sign(t, key.header(), with(nil)), e); faults != nil {
		t.Errorf("faults of a good assertion: %q", faults)
	}
	for _, c := range []struct{ name, token, want string }{
		{"no form", "abc", "header.payload.signature"},
		{"alg", key.sign(t, `{"alg":"HS256","kid":"k1"}`, with(nil)), `alg is "HS256"`},
		{"kid", key.sign(t, `{"alg":"RS256","kid":"zz"}`, with(nil)), `kid "zz"`},
		{"crit", key.sign(t, `{"alg":"RS256","kid":"k1","crit":["x"]}`, with(nil)), "header crit"},
		{"long", key.sign(t, key.header(), with(map[string]any{"exp": start.Unix() + 3601})), "at most 1h0m0s"},
		{"future", key.sign(t, key.header(), with(map[string]any{"nbf": start.Unix() + 30})), "nbf is in the future"},
		{"no jti", key.sign(t, key.header(), with(map[string]any{"jti": nil})), "jti is missing"},
		{"aud array", key.sign(t, key.header(), with(map[string]any{"aud": []string{issuer, "x"}})), "aud several"},
		{"other client", key.sign(t, key.header(), with(map[string]any{"iss": "x", "sub": "x"})), `your client_id is "pk"`},
	} {
		faults := clientauth.Explain(c.token, e)
		if len(faults) == 0 || !strings.Contains(strings.Join(faults, "\n"), c.want) {
			t.Errorf("%s: %q, want one with %q", c.name, faults, c.want)
		}
	}
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	key, other := newKey(t, "cat1", "ES256"), newKey(t, "cat1", "ES256")
	set := jwks(t, key)
	good := clientauth.Evidence{ID: "e1", Issuer: "https://cat.test", ClientID: "p1", SucceededAt: start.Add(-time.Hour), IssuedAt: start}
	header := `{"alg":"ES256","kid":"cat1","typ":"` + clientauth.EvidenceType + `"}`
	made := func(signer *testKey, header string, change func(*clientauth.Evidence)) string {
		e := good
		change(&e)
		claims, err := e.Claims()
		if err != nil {
			t.Fatal(err)
		}
		return signer.sign(t, header, string(claims))
	}
	same := func(*clientauth.Evidence) {}
	found, err := clientauth.VerifyEvidence(made(key, header, same)+"\n", set, "https://cat.test", "p1", start)
	if err != nil || *found != good {
		t.Fatalf("%+v, %v", found, err)
	}
	for _, c := range []struct{ name, text string }{
		{"another key", made(other, header, same)},
		{"an access token's typ", made(key, `{"alg":"ES256","kid":"cat1","typ":"at+jwt"}`, same)},
		{"no typ", made(key, `{"alg":"ES256","kid":"cat1"}`, same)},
		{"none", strings.Join(strings.Split(made(key, strings.Replace(header, "ES256", "none", 1), same), ".")[:2], ".") + "."},
		{"unknown kid", made(key, strings.Replace(header, "cat1", "cat2", 1), same)},
		{"another client", made(key, header, func(e *clientauth.Evidence) { e.ClientID = "p2" })},
		{"another issuer", made(key, header, func(e *clientauth.Evidence) { e.Issuer = "https://prod.test" })},
		{"from the future", made(key, header, func(e *clientauth.Evidence) { e.IssuedAt = start.Add(time.Minute) })},
		{"success after its word", made(key, header, func(e *clientauth.Evidence) { e.SucceededAt = start.Add(time.Minute) })},
		{"old", made(key, header, func(e *clientauth.Evidence) { e.SucceededAt = start.Add(-91 * 24 * time.Hour) })},
		{"not of CAT", key.sign(t, header, `{"jti":"e1","iss":"https://cat.test","sub":"p1","aud":"urn:signet:activation","environment":"production","succeeded_at":1,"iat":1}`)},
		{"no JWS", "{}"},
	} {
		if _, err := clientauth.VerifyEvidence(c.text, set, "https://cat.test", "p1", start); err == nil {
			t.Errorf("%s: taken", c.name)
		}
	}
}
