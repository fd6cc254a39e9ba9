package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// TestSigningAlgs: PS256 and EdDSA are there for whoever configures them, in the metadata and in what is signed.
func TestSigningAlgs(t *testing.T) {
	t.Parallel()
	d := startDev(t, "--signing-alg", "PS256", "--signing-alg", "EdDSA")
	_, body := get(t, d.card.Issuer+"/.well-known/openid-configuration")
	var metadata struct {
		Algs []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := json.Unmarshal([]byte(body), &metadata); err != nil || len(metadata.Algs) != 4 {
		t.Fatalf("algorithms %q (%v), want four", metadata.Algs, err)
	}
	for _, alg := range metadata.Algs {
		client := `{"client_id": "signs-` + alg + `", "client_name": "Signs", "grant_types": ["client_credentials"], "scope": "a",
			"access_token_signed_alg": "` + alg + `", "id_token_signed_response_alg": "` + alg + `"}`
		code, out, errs := command(t, d.env, client, "client", "create", "--json", "--from", "-")
		if code != exitOK {
			t.Fatalf("%s: %s", alg, errs)
		}
		var made clientRecord
		if err := json.Unmarshal([]byte(out), &made); err != nil {
			t.Fatal(err)
		}
		access, _ := d.token(t, made.ClientID, made.ClientSecret)["access_token"].(string)
		head, _, _ := strings.Cut(access, ".")
		header, err := base64.RawURLEncoding.DecodeString(head)
		if err != nil || !strings.Contains(string(header), `"alg":"`+alg+`"`) {
			t.Errorf("header %s (%v), want alg %s", header, err, alg)
		}
	}
}

// TestSigningAlgsAreChosen: what nobody configured cannot be registered.
func TestSigningAlgsAreChosen(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	for _, alg := range []string{"PS256", "EdDSA", "none", "HS256"} {
		client := `{"client_name": "Signs", "grant_types": ["client_credentials"], "scope": "a", "access_token_signed_alg": "` + alg + `"}`
		if code, out, _ := command(t, d.env, client, "client", "create", "--from", "-"); code != exitUsage {
			t.Errorf("%s: exit code %d: %s", alg, code, out)
		}
	}
	if code, _, errs := command(t, nil, "", "dev", "--listen", "127.0.0.1:0", "--signing-alg", "none"); code != exitUsage {
		t.Errorf("--signing-alg none: exit code %d: %s", code, errs)
	}
}
