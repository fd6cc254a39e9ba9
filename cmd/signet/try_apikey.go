package main

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/signet"
)

type apiKeyTrial struct {
	target
	name, keyFile, account, permission, resource string
}

func (a *app) tryAPIKey() *cobra.Command {
	var f apiKeyTrial
	cmd := &cobra.Command{Use: "apikey", Short: "Call with an API key, ask for a permission, and turn the key into a JWT (document 001)", Args: arguments,
		Example: "  signet try apikey --card card.json --name 'Till 1'\n  signet try apikey --server https://signet.example --key-file key.txt --account ACCOUNT --resource https://service.example",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.flow(&f.target, func(t *trial) error { return a.runAPIKey(cmd.Context(), t, &f) }, "signet try partner --help")
		}}
	f.target.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "name of the key in the card; the first when it is left out")
	flags.StringVar(&f.keyFile, "key-file", "", "file that holds the API key on one line, - for stdin")
	flags.StringVar(&f.account, "account", "", "account to ask the permission for")
	flags.StringVar(&f.permission, "permission", "payment-requests:read", "permission to ask for")
	flags.StringVar(&f.resource, "resource", "", "audience of the JWT; without it the key is not exchanged")
	return cmd
}

func (a *app) runAPIKey(ctx context.Context, t *trial, f *apiKeyTrial) error {
	key, err := f.credential(a)
	if err != nil {
		return err
	}
	t.step("The credential", "The whole key goes into the header X-Api-Key. Nothing is signed: whoever has it, is it. The server keeps a keyed hash alone.").
		add("key", "%s", key)
	header := http.Header{"X-Api-Key": {key}}
	got, err := t.send(ctx, "The document's example call.", http.MethodGet, "/api/account-memberships", "", "", header)
	if err != nil || got.status >= 300 {
		return err
	}
	if f.account != "" {
		body, err := json.Marshal(map[string]string{"permission": f.permission, "accountId": f.account})
		if err != nil {
			return err
		}
		got, err = t.send(ctx, "May this key do that on resources of that account? because says own or global.", http.MethodPost,
			"/api/permissions/check", jsonMedia, string(body), header)
		if err != nil || got.status >= 300 {
			return err
		}
	}
	if f.resource == "" {
		return nil
	}
	return t.exchangeKey(ctx, key, f.resource)
}

// credential takes the key of the flags, or one of the card with its account.
func (f *apiKeyTrial) credential(a *app) (string, error) {
	var known cardAPIKey
	if f.cardFile != "" && f.keyFile == "" {
		var err error
		if known, err = oneOf(f.cardOf().APIKeys, f.name, func(k cardAPIKey) bool { return k.Name == f.name }); err != nil {
			return "", err
		}
		f.account, f.resource = cmp.Or(f.account, known.AccountID), cmp.Or(f.resource, demoAudience)
	}
	return a.secretArg(f.keyFile, known.Key, "key-file")
}

// exchangeKey turns the key into a JWT.
func (t *trial) exchangeKey(ctx context.Context, key, resource string) error {
	form := url.Values{"grant_type": {signet.GrantTokenExchange}, "subject_token": {key}, "subject_token_type": {apiKeyTokenType}, "resource": {resource}}
	got, err := t.send(ctx, "Token exchange (RFC 8693): a JWT of 15 minutes in place of the key, so that a resource server verifies JWTs only.",
		http.MethodPost, "/token", formMedia, form.Encode(), nil)
	if err != nil || got.status >= 300 {
		return err
	}
	return t.showToken(ctx, "The token", got.member("access_token"), "")
}
