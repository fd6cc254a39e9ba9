package main

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/exchange"
	"github.com/signet-auth/signet/pkg/signet"
)

// identityFlags are what a signed identity is made of.
type identityFlags struct {
	target
	biller, scheme, schemeFile, keyFile, keyEncoding, kid string
	rsKeyFile, scope, resource                            string
	grant                                                 bool
}

func (f *identityFlags) add(cmd *cobra.Command) {
	f.target.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.biller, "biller", "", "GUID of the biller; the card's that signs in the scheme when it is left out")
	flags.StringVar(&f.scheme, "scheme", "", "v1 or v2")
	flags.StringVar(&f.schemeFile, "scheme-file", "", "file with a custom scheme as JSON, as --find prints it")
	flags.StringVar(&f.keyFile, "key-file", "", "file that holds the HMAC key on one line, - for stdin")
	flags.StringVar(&f.keyEncoding, "encoding", "hex", "how that key is written: raw, hex or base64")
	flags.StringVar(&f.kid, "kid", "", "name of the key (hmac_kid, with --grant)")
	flags.StringVar(&f.rsKeyFile, "rs-key-file", "", "private key of the resource server (PEM), to look into the token")
	flags.StringVar(&f.scope, "scope", "", "scope to ask for (with --grant)")
	flags.StringVar(&f.resource, "resource", "", "audience of the resource server to ask for (with --grant)")
	flags.BoolVar(&f.grant, "grant", false, "the standard form at /token instead of /api/v1")
}

// signer is a biller's key and scheme.
type signer struct {
	biller, kid string
	scheme      signet.HMACScheme
	key         []byte
	invoices    []cardInvoice
}

// signer takes what the flags give, and the rest from the card.
func (f *identityFlags) signer(a *app, invoice bool) (*signer, error) {
	found := f.cardBiller(invoice)
	s := &signer{biller: cmp.Or(f.biller, found.ID), kid: f.kid, invoices: found.Invoices}
	if s.biller == "" {
		return nil, usage("which biller? Give --biller with --key-file, or --card FILE of signet dev")
	}
	if err := f.readScheme(&s.scheme, found.Scheme); err != nil {
		return nil, err
	}
	if s.kid == "" && f.keyFile == "" {
		s.kid = found.KID
	}
	text, err := a.secretArg(f.keyFile, found.HMACKey, "key-file")
	if err != nil {
		return nil, err
	}
	s.scheme.KeyEncoding = f.keyEncoding
	if s.key, err = exchange.DecodeKey(s.scheme, text); err != nil {
		return nil, usage("%s", err)
	}
	f.rsKeyFile = cmp.Or(f.rsKeyFile, f.cardOf().RSPrivateKeyFile)
	return s, nil
}

// cardBiller finds the card's biller that the flags mean.
func (f *identityFlags) cardBiller(invoice bool) cardBiller {
	for _, b := range f.cardOf().Billers {
		if f.biller == b.ID {
			return b
		}
		if f.biller == "" && (f.grant || f.scheme == "" || f.scheme == b.Scheme) && (!invoice || b.InvoiceExchange) {
			return b
		}
	}
	return cardBiller{}
}

func (f *identityFlags) readScheme(scheme *signet.HMACScheme, fromCard string) error {
	if f.schemeFile != "" {
		content, err := os.ReadFile(f.schemeFile)
		if err != nil {
			return err
		}
		if json.Unmarshal(content, scheme) != nil {
			return usage("--scheme-file is no scheme")
		}
		return nil
	}
	if f.grant && f.scheme == "" {
		fromCard = "v2" // what the grant accepts of every biller
	}
	scheme.Name = cmp.Or(f.scheme, fromCard)
	return nil
}

func (a *app) tryHMAC() *cobra.Command {
	var f identityFlags
	var invoice, captured string
	var find bool
	cmd := &cobra.Command{Use: "hmac", Short: "Exchange a signed invoice link (document 000), or find the scheme of a captured request", Args: arguments,
		Example: "  signet try hmac --card card.json\n" +
			"  signet try hmac --server https://signet.example --biller GUID --invoice GUID --scheme v1 --key-file key.txt\n" +
			"  signet try hmac --find --captured request.json --key-file key.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if find {
				return a.findScheme(captured, f.keyFile)
			}
			return a.flow(&f.target, func(t *trial) error {
				s, err := f.signer(a, true)
				if err != nil {
					return err
				}
				if invoice == "" && len(s.invoices) > 0 {
					invoice = s.invoices[0].InvoiceGUID
				}
				if invoice == "" {
					return usage("--invoice is needed")
				}
				return t.identity(cmd.Context(), &f, s, exchange.Fields{Biller: s.biller, Invoice: invoice})
			}, "signet try payer --help")
		}}
	f.add(cmd)
	cmd.Flags().StringVar(&invoice, "invoice", "", "GUID of the invoice")
	cmd.Flags().BoolVar(&find, "find", false, "find the scheme of --captured instead: nothing is sent")
	cmd.Flags().StringVar(&captured, "captured", "", "file with the JSON body of a request that the old system accepted")
	return cmd
}

func (a *app) tryPayer() *cobra.Command {
	var f identityFlags
	var user, timestamp string
	cmd := &cobra.Command{Use: "payer", Short: "Exchange a signed payer identity (document 000)", Args: arguments,
		Example: "  signet try payer --card card.json\n  signet try payer --card card.json --grant --scheme v2",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.flow(&f.target, func(t *trial) error {
				s, err := f.signer(a, false)
				if err != nil {
					return err
				}
				if user == "" && len(s.invoices) > 0 {
					user = s.invoices[0].CustomerGUID
				}
				if user == "" {
					return usage("--user is needed")
				}
				if timestamp == "" {
					timestamp = time.Now().UTC().Format("2006-01-02T15:04:05.000Z") // two runs in one second would be one request, sent again
				}
				return t.identity(cmd.Context(), &f, s, exchange.Fields{Biller: s.biller, User: user, Timestamp: timestamp})
			}, "signet try intent --help")
		}}
	f.add(cmd)
	cmd.Flags().StringVar(&user, "user", "", "GUID of the payer")
	cmd.Flags().StringVar(&timestamp, "timestamp", "", "RFC 3339, Unix seconds or milliseconds; now when it is left out")
	return cmd
}

// identity signs and exchanges.
func (t *trial) identity(ctx context.Context, f *identityFlags, s *signer, fields exchange.Fields) error {
	input, err := exchange.Input(s.scheme, fields)
	if err != nil {
		return usage("%s", err)
	}
	t.step("What is signed", schemeWhy(s.scheme)).bytesOf("input", input)
	mac, err := exchange.Sign(s.scheme, s.key, fields)
	if err != nil {
		return usage("%s", err)
	}
	t.step("How it is signed", "HMAC (RFC 2104) over the input, under the key that biller and server share.").
		add("key", "%d bytes, not shown", len(s.key)).add("hmac", "%s", mac)
	content, path, media, err := f.request(s, fields, mac)
	if err != nil {
		return err
	}
	why := "The legacy form, as document 000 has it: no client authenticates beside it."
	if f.grant {
		why = "The standard form: a grant at the token endpoint."
	}
	got, err := t.send(ctx, why, http.MethodPost, path, media, content, http.Header{"Accept": {jsonMedia}})
	if err != nil || got.status >= 300 {
		return err
	}
	token := got.member("token")
	if f.grant {
		token = got.member("access_token")
	}
	if err := t.showToken(ctx, "The token", token, f.rsKeyFile); err != nil {
		return err
	}
	if fields.Invoice == "" || f.grant {
		return nil
	}
	_, err = t.send(ctx, "The token opens its invoice and no other. It stands bare in Authorization, as the document's callers send it.",
		http.MethodGet, "/api/v1/invoices/"+fields.Invoice, "", "", http.Header{"Authorization": {token}, "Accept": {jsonMedia}})
	return err
}

func schemeWhy(scheme signet.HMACScheme) string {
	switch scheme.Name {
	case "v1":
		return "Scheme v1: the fields joined by a bar, GUIDs in lower case with hyphens, the timestamp as it is sent."
	case "custom":
		return "The biller's own scheme."
	default:
		return "Scheme v2: names and values, each with its length before it, and the purpose first, so that no two inputs can be taken for each other."
	}
}

// request writes the body of either form.
func (f *identityFlags) request(s *signer, fields exchange.Fields, mac string) (content, path, media string, err error) {
	if f.grant {
		form := url.Values{"grant_type": {signet.GrantHMACIdentity}, "biller_id": {fields.Biller}, "hmac": {mac}}
		for name, value := range map[string]string{"invoice_id": fields.Invoice, "user_id": fields.User, "timestamp": fields.Timestamp,
			"hmac_kid": s.kid, "scope": f.scope, "resource": f.resource} {
			if value != "" {
				form.Set(name, value)
			}
		}
		return form.Encode(), "/token", formMedia, nil
	}
	type legacyBody struct {
		BillerGUID  string `json:"billerGuid"`
		InvoiceGUID string `json:"invoiceGuid,omitempty"`
		UserGUID    string `json:"userGuid,omitempty"`
		Timestamp   string `json:"timestamp,omitempty"`
		HMAC        string `json:"hmac"`
	}
	encoded, err := json.Marshal(legacyBody{fields.Biller, fields.Invoice, fields.User, fields.Timestamp, mac})
	path = "/api/v1/payertokens"
	if fields.Invoice != "" {
		path = "/api/v1/tokens"
	}
	return string(encoded), path, jsonMedia, err
}

// findScheme tells how a captured request was signed.
func (a *app) findScheme(capturedFile, keyFile string) error {
	if capturedFile == "" || keyFile == "" {
		return usage("--find needs --captured and --key-file")
	}
	content, err := readInput(capturedFile, a.in)
	if err != nil {
		return err
	}
	sent, err := readFields(content)
	if err != nil {
		return usage("--captured is not a JSON object")
	}
	folded := fields{}
	for name, value := range sent {
		folded[strings.ToLower(name)] = value // the old stack did not mind letter case
	}
	key, err := a.readSecret("key", keyFile)
	if err != nil {
		return err
	}
	found := exchange.Find(exchange.Captured{Fields: exchange.Fields{Biller: folded.text("billerguid"), Invoice: folded.text("invoiceguid"),
		User: folded.text("userguid"), Timestamp: folded.text("timestamp")}, HMAC: folded.text("hmac")}, key)
	if len(found) == 0 {
		return signet.NewError(signet.CodeNotFound, "no scheme that signet knows gives this hmac with this key: is the key the right one, and the body unchanged?", "scheme_unknown")
	}
	if err := a.print(map[string]any{"schemes": found}, func() {
		for _, scheme := range found {
			encoded, _ := json.MarshalIndent(scheme, "", "  ")
			a.say("%s", visible(string(encoded)))
		}
	}); err != nil {
		return err
	}
	a.next("put it into a file as {\"scheme\": …} and register the biller: signet biller create --from FILE --key-file %s", visible(keyFile))
	return nil
}
