package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestTryEveryFlow runs each flow with nothing but the card, in text and in JSON.
func TestTryEveryFlow(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	card := d.cardFile(t)
	legacy := d.card.Billers[1]
	for _, tc := range []struct {
		args string
		says []string
	}{
		{"hmac", []string{legacy.ID + "|" + legacy.Invoices[0].InvoiceGUID, "POST " + d.card.Issuer + "/api/v1/tokens", `"cty": "JWT"`, `"typ": "at+jwt"`,
			`"invoice_guid": "` + legacy.Invoices[0].InvoiceGUID, "signature      verified", "Signet-Source: stored", `"balanceDue":120.50`}},
		{"hmac --grant", []string{"7:purpose,18:signet-identity-v2,", "hmac_kid=", "signature      verified"}},
		{"payer", []string{"/api/v1/payertokens", `"user_guid": "` + d.card.Billers[0].Invoices[0].CustomerGUID, "signature      verified"}},
		{"payer --scheme v1", []string{"Scheme v1", "signature      verified"}},
		{"payer --grant --resource " + demoInvoicesAudience, []string{`"aud": "` + demoInvoicesAudience, "signature      verified"}},
		{"intent", []string{d.card.Devices[0].ID + "|", `"alg": "HS256"`, "yes, with the account's key", `"Valid":true`}},
		{"intent --form basic --audience EditWalletPage --subject W-7", []string{"Basic ", `"sub": "W-7"`, `"Valid":true`}},
		{"intent --form apikey", []string{"X-Api-Key", `"Valid":true`}},
		{"pin", []string{"|" + d.card.PINApplications[0].PIN, "nonce", "tag", "successfully authenticated", "opaque"}},
		{"pin --username lending-legacy --path /token --refresh", []string{"iv ", "POST " + d.card.Issuer + "/token/refresh", "successfully authenticated"}},
		{"apikey --name Till#1", []string{"X-Api-Key: " + d.card.APIKeys[1].Key, `"because":"global"`, `"role": "merchant-terminal"`, "signature      verified"}},
		{"partner", []string{`"alg": "RS256"`, d.card.Clients.Partner.ClientID, `"token_type":"bearer"`, "signature      verified"}},
	} {
		args := append([]string{"try"}, strings.Fields(tc.args)...)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "#", " ")
		}
		args = append(args, "--card", card)
		code, out, errs := command(t, nil, "", args...)
		if code != exitOK || !strings.Contains(out, "Next:") {
			t.Errorf("try %s: exit %d %s\n%s", tc.args, code, errs, out)
			continue
		}
		for _, text := range tc.says {
			if !strings.Contains(out, text) {
				t.Errorf("try %s does not show %q:\n%s", tc.args, text, out)
			}
		}
		if strings.Contains(out, legacy.HMACKey) || strings.Contains(out, d.card.PINApplications[0].Key) {
			t.Errorf("try %s shows a shared key", tc.args)
		}
		code, out, errs = command(t, nil, "", append(args, "--json")...)
		var report struct {
			OK    bool
			Steps []step
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitOK || !report.OK || len(report.Steps) < 3 {
			t.Errorf("try %s --json: exit %d %s %s", tc.args, code, errs, out)
		}
	}
}

// TestTryShowsARefusal: the steps are shown although the server refuses, and the exit code tells.
func TestTryShowsARefusal(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	card := d.cardFile(t)
	wrong := file(t, "key.txt", strings.Repeat("00", 32))
	code, out, errs := command(t, nil, "", "try", "hmac", "--card", card, "--key-file", wrong)
	if code != exitFailure || !strings.Contains(out, "401 Unauthorized") || !strings.Contains(errs, "401") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	code, _, errs = command(t, nil, "", "try", "hmac", "--server", "http://signet.example", "--biller", "x", "--key-file", wrong)
	if code != exitUsage || !strings.Contains(errs, "https") {
		t.Errorf("a key over http: exit %d: %s", code, errs)
	}
	if code, _, errs = command(t, nil, "", "try", "pin"); code != exitUsage || !strings.Contains(errs, "--server") {
		t.Errorf("no server: exit %d: %s", code, errs)
	}
	if code, _, errs = command(t, nil, "", "try", "pin", "--server", d.card.Issuer); code != exitUsage || !strings.Contains(errs, "--username") {
		t.Errorf("no credential: exit %d: %s", code, errs)
	}
	d.stop()
	if code, _, errs = command(t, nil, "", "try", "apikey", "--card", card); code != exitUnavailable || !strings.Contains(errs, "issuer") {
		t.Errorf("no server there: exit %d: %s", code, errs)
	}
}

// TestTryFindsTheScheme: what a biller of an old system signs is found from one captured request.
func TestTryFindsTheScheme(t *testing.T) {
	t.Parallel()
	const key = "00112233445566778899aabbccddeeff"
	keyFile := file(t, "key.txt", key+"\n")
	// HMAC-SHA256 under the bytes of the hex key over "…|…|2026-11-24T10:00:00Z": scheme v1.
	captured := file(t, "captured.json", fmt.Sprintf(`{"BillerGuid":"d9cf6cd8-f6ac-4ae6-a57c-b6b9558c7b60","userGuid":"95643ed2-a6cd-4e9f-ba17-3efcaae16a50",`+
		`"timestamp":"2026-11-24T10:00:00Z","hmac":"%s"}`, hmacOf(t, key, "d9cf6cd8-f6ac-4ae6-a57c-b6b9558c7b60|95643ed2-a6cd-4e9f-ba17-3efcaae16a50|2026-11-24T10:00:00Z")))
	code, out, errs := command(t, nil, "", "try", "hmac", "--find", "--captured", captured, "--key-file", keyFile)
	if code != exitOK || !strings.Contains(out, `"name": "v1"`) || !strings.Contains(out, `"key_encoding": "hex"`) || !strings.Contains(out, "Next:") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	other := file(t, "other.txt", strings.Repeat("ff", 16))
	if code, _, errs = command(t, nil, "", "try", "hmac", "--find", "--captured", captured, "--key-file", other); code != exitNotFound {
		t.Errorf("another key: exit %d: %s", code, errs)
	}
	if code, _, _ = command(t, nil, "", "try", "hmac", "--find"); code != exitUsage {
		t.Errorf("nothing to find: exit %d", code)
	}
}

// TestTryExplainsAnAssertion: the document's own call sample has faults (wire.md, 2), and each is named; a right
// assertion has none.
func TestTryExplainsAnAssertion(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	card := d.cardFile(t)
	header, claims := `{"alg":"RS256"}`, `{"iss":"https://test.example/auth/realms/gcp","sub":"client-web","aud":"https://auth.example","exp":"1585317075","iat":"1585315275","jti":"149a4d39"}`
	enc := base64.RawURLEncoding.EncodeToString
	sample := file(t, "sample.txt", "client_assertion = "+enc([]byte(header))+"."+enc([]byte(claims))+"."+enc([]byte("x"))+
		" & client_assertion_type = urn: ietf: params: oauth: client - assertiontype: jwt - bearer & grant_type = client_credential\n")
	code, out, errs := command(t, nil, "", "try", "partner", "--card", card, "--explain", sample)
	if code != exitFailure || !strings.Contains(errs, "faults found") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	for _, fault := range []string{"client_credential", "client_assertion_type", "no kid", "iss", "aud", "exp is the text"} {
		if !strings.Contains(out, fault) {
			t.Errorf("the fault of %q is not named: %s", fault, out)
		}
	}
	_, shown, _ := command(t, nil, "", "try", "partner", "--card", card, "--json")
	var report struct{ Steps []step }
	if err := json.Unmarshal([]byte(shown), &report); err != nil {
		t.Fatal(err)
	}
	right := file(t, "right.txt", report.Steps[0].Facts[2].Value+"."+report.Steps[1].Facts[1].Value)
	if code, out, errs = command(t, nil, "", "try", "partner", "--card", card, "--explain", right); code != exitOK || !strings.Contains(out, "no fault found") {
		t.Errorf("a right assertion: exit %d: %s%s", code, out, errs)
	}
	if code, out, _ = command(t, nil, "", "try", "partner", "--card", card, "--explain", sample, "--json"); code != exitFailure || !json.Valid([]byte(out)) {
		t.Errorf("--json: exit %d: %s", code, out)
	}
}

func hmacOf(t *testing.T, hexKey, input string) string {
	t.Helper()
	key, err := hex.DecodeString(hexKey)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(input))
	return hex.EncodeToString(mac.Sum(nil))
}

// cardFile writes the card of a running server to a file of the test.
func (d *devServer) cardFile(t *testing.T) string {
	t.Helper()
	content, err := json.Marshal(d.card)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "card.json", string(content))
}
