package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

type intentTrial struct {
	target
	dcn, device, passwordFile, apiKeyFile, form string
	audience, subject                           string
	keyFile, keyEncoding                        string
}

func (a *app) tryIntent() *cobra.Command {
	var f intentTrial
	cmd := &cobra.Command{Use: "intent", Short: "Make and validate a payment intent (document 002)", Args: arguments,
		Example: "  signet try intent --card card.json\n  signet try intent --card card.json --form basic --audience EditWalletPage --subject W-7\n" +
			"  signet try intent --server https://signet.example --dcn 1 --device GUID --password-file FILE",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.flow(&f.target, func(t *trial) error { return a.runIntent(cmd.Context(), t, &f) }, "signet try pin --help")
		}}
	f.target.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.form, "form", "device", "how the caller authenticates: device ({dcn}:{id}|{password}), basic or apikey")
	flags.StringVar(&f.dcn, "dcn", "", "device configuration number")
	flags.StringVar(&f.device, "device", "", "GUID of the device")
	flags.StringVar(&f.passwordFile, "password-file", "", "file that holds the device's password on one line, - for stdin")
	flags.StringVar(&f.apiKeyFile, "api-key-file", "", "file that holds an API key on one line (with --form apikey)")
	flags.StringVar(&f.audience, "audience", "PaymentPage", "the intent")
	flags.StringVar(&f.subject, "subject", "HPP21040500682801", "transaction key, customer name or wallet id")
	flags.StringVar(&f.keyFile, "key-file", "", "file that holds the account's HS256 key, to verify the token here as well")
	flags.StringVar(&f.keyEncoding, "encoding", "hex", "how that key is written: hex, base64 or raw")
	return cmd
}

// credential is the header that proves the caller.
func (f *intentTrial) credential(a *app, t *trial) (http.Header, error) {
	c := f.cardOf()
	if f.form == "apikey" {
		known := ""
		if len(c.APIKeys) > 0 {
			known = c.APIKeys[0].Key
		}
		key, err := a.secretArg(f.apiKeyFile, known, "api-key-file")
		if err != nil {
			return nil, err
		}
		t.step("The credential", "An API key of the account.").add("X-Api-Key", "%s", key)
		return http.Header{"X-Api-Key": {key}}, nil
	}
	known := ""
	if len(c.Devices) > 0 && (f.device == "" || f.device == c.Devices[0].ID) {
		f.dcn, f.device, known = c.Devices[0].DCN, c.Devices[0].ID, c.Devices[0].Password
	}
	if f.device == "" {
		return nil, usage("--device is needed, or --card FILE of signet dev")
	}
	password, err := a.secretArg(f.passwordFile, known, "password-file")
	if err != nil {
		return nil, err
	}
	switch f.form {
	case "device":
		name := f.device
		if f.dcn != "" {
			name = f.dcn + ":" + f.device
		}
		value := name + "|" + password
		t.step("The credential", "The device's name and password, parted by the first bar.").add("Authorization", "%s", value)
		return http.Header{"Authorization": {value}}, nil
	case "basic":
		plain := f.dcn + f.device + ":" + password
		value := "Basic " + base64.StdEncoding.EncodeToString([]byte(plain))
		t.step("The credential", "HTTP Basic (RFC 7617): the user name is the dcn and the device id, of 36 characters, with nothing between.").
			add("plain", "%s", plain).add("Authorization", "%s", value)
		return http.Header{"Authorization": {value}}, nil
	default:
		return nil, usage("--form must be device, basic or apikey")
	}
}

func (a *app) runIntent(ctx context.Context, t *trial, f *intentTrial) error {
	header, err := f.credential(a, t)
	if err != nil {
		return err
	}
	type request struct{ Audience, Subject string }
	body, err := json.Marshal(request{f.audience, f.subject})
	if err != nil {
		return err
	}
	got, err := t.send(ctx, "An intent says what its bearer may do on the payment page.", http.MethodPost, "/payment/api/jwt/create", jsonMedia, string(body), header)
	if err != nil || got.status >= 300 {
		return err
	}
	token := got.member("Token")
	if err := a.showIntent(ctx, t, f, token); err != nil {
		return err
	}
	if body, err = json.Marshal(struct{ Token string }{token}); err != nil {
		return err
	}
	got, err = t.send(ctx, "The payment page has it validated: account, signature, claims, then time.", http.MethodPost, "/payment/api/jwt/validate", jsonMedia, string(body), header)
	if err == nil && got.status < 300 && got.member("Valid") != "true" {
		t.failed = "the intent did not validate: " + got.member("Message")
	}
	return err
}

// showIntent decodes the token, and checks its HMAC where the account's key is known.
func (a *app) showIntent(ctx context.Context, t *trial, f *intentTrial, token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.failed = "the answer holds no token"
		return nil
	}
	if !strings.Contains(decoded(parts[0]), `"HS256"`) {
		return t.showJWS(ctx, "The intent", token)
	}
	s := t.step("The intent", "A JWS with HS256: HMAC-SHA256 over header and claims as they stand here, dot between, under the account's own key.").
		add("header", "%s", decoded(parts[0])).add("claims", "%s", decoded(parts[1])).add("signed", "%s", parts[0]+"."+parts[1]).add("signature", "%s", parts[2])
	known := ""
	if accounts := f.cardOf().Accounts; len(accounts) > 0 {
		known = accounts[0].IntentKey
	}
	if f.keyFile == "" && known == "" {
		s.add("verified", "not here: only the server has the key")
		return nil
	}
	text, err := a.secretArg(f.keyFile, known, "key-file")
	if err != nil {
		return err
	}
	key, err := readKey(text, f.keyEncoding)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(parts[0] + "." + parts[1]))
	sent, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if !hmac.Equal(mac.Sum(nil), sent) {
		s.add("verified", "NO: this key gives another signature")
		t.failed = "the intent's signature does not fit the key"
		return nil
	}
	s.add("verified", "yes, with the account's key")
	return nil
}
