package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func billers() *register {
	return &register{group: "biller", path: "/billers", member: "billers", arg: "BILLER",
		header: []string{"BILLER", "NAME", "SCHEME", "KEYS", "RESOURCE SERVER", "INVOICES", "STATE"},
		row: func(f fields) []string {
			scheme, _ := readFields(f["scheme"]) // left out: the default
			name := scheme.text("name")
			if name == "" {
				name = "v2"
			}
			invoices := "off"
			if f.yes("invoice_exchange") {
				invoices = "on"
			}
			return []string{f.text("id"), f.text("name"), name, f.live("keys"), f.text("default_resource_server"), invoices, state(f.yes("disabled"))}
		}}
}

func (a *app) billerCommand() *cobra.Command {
	r := billers()
	cmd := group("biller", "Register and look after billers, whose signed identities are exchanged",
		a.billerCreate(r), a.recordList(r, "List all billers", "signet biller show BILLER"),
		a.recordShow(r, "Show one biller", "signet biller rotate-key %[1]s, or signet biller disable %[1]s"),
		a.recordUpdate(r, "Change members of a biller", `  echo '{"token_lifetime": 600, "payer_repeats_until": null}' | signet biller update BILLER --from -`, nil),
		a.rotateKeyCommand(r, "HMAC key", "hmac_key", "Add a second HMAC key; both verify", billerLines()),
		a.endKeyCommand(r, "End one HMAC key now, with the tokens that it proved"))
	cmd.AddCommand(a.recordActs(r, "Disable a biller and take back what was issued for it", "Let a disabled biller act again")...)
	a.targetFlags(cmd)
	return cmd
}

// keyFlags say where an HMAC or AES key comes from; without them signet makes one.
type keyFlags struct{ file, encoding, kid string }

func (k *keyFlags) add(cmd *cobra.Command, what string) {
	cmd.Flags().StringVar(&k.file, "key-file", "", "file that holds the "+what+" on one line, - for stdin; made and shown once when left out")
	cmd.Flags().StringVar(&k.encoding, "encoding", "", "how the key in --key-file is written: raw, hex or base64")
	cmd.Flags().StringVar(&k.kid, "kid", "", "name of the key; made when left out")
}

func (a *app) keyIn(b body, member string, k *keyFlags) error {
	b.put("kid", k.kid)
	b.put("key_encoding", k.encoding)
	return a.secretFrom(b, member, k.file)
}

func (a *app) billerCreate(r *register) *cobra.Command {
	var from, id, name, server, scheme, client, scope string
	var more []string
	var invoices bool
	var key keyFlags
	cmd := &cobra.Command{Use: "create", Short: "Register a biller; an HMAC key that signet makes is shown once", Args: arguments,
		Example: "  signet biller create --name 'City Water' --resource-server invoices\n" +
			"  signet biller create --name 'Old City' --id GUID --resource-server invoices --scheme v1 --invoice-exchange --key-file key.txt --encoding hex\n" +
			"  signet biller create --from biller.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.bodyFrom(from)
			if err != nil {
				return err
			}
			b.put("id", id)
			b.put("name", name)
			b.put("default_resource_server", server)
			b.put("resource_servers", more)
			b.put("client_id", client)
			b.put("scope", scope)
			b.put("invoice_exchange", invoices)
			if scheme != "" {
				b["scheme"] = map[string]string{"name": scheme}
			}
			if err := a.keyIn(b, "hmac_key", &key); err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.make(cmd.Context(), c, http.MethodPost, r.path, b, billerLines(),
					func(f fields) string { return "signet biller show " + f.text("id") })
			})
		}}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "file with the biller as JSON, - for stdin; flags go over it")
	flags.StringVar(&id, "id", "", "the biller's GUID; made when left out")
	flags.StringVar(&name, "name", "", "name that people see")
	flags.StringVar(&server, "resource-server", "", "resource server that gets its tokens, needed")
	flags.StringSliceVar(&more, "also", nil, "further resource server that may be named; repeat for more")
	flags.StringVar(&scheme, "scheme", "", "how it signs: v2 (default), v1; a custom one by --from (signet try hmac --find finds it)")
	flags.BoolVar(&invoices, "invoice-exchange", false, "exchange invoices too: such requests have no timestamp")
	flags.StringVar(&client, "client", "", "client of the biller, which puts invoices in")
	flags.StringVar(&scope, "scope", "", "scopes that its tokens may carry, separated by spaces")
	key.add(cmd, "HMAC key")
	return cmd
}

func billerLines() []line {
	return []line{{member: "id", word: "biller"}, {member: "kid", word: "kid"}, {member: "hmac_key", word: "hmac_key (hex)", once: true}}
}
