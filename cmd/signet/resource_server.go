package main

import (
	"encoding/json"
	"net/http"

	"github.com/spf13/cobra"
)

func resourceServers() *register {
	return &register{group: "resource-server", path: "/resource-servers", member: "resource_servers", arg: "ID",
		header: []string{"ID", "NAME", "AUDIENCE", "ALG", "ENC", "PRIVATE KEY", "STATE"},
		row: func(f fields) []string {
			held := "theirs"
			if f.yes("holds_private_key") {
				held = "signet's"
			}
			return []string{f.text("id"), f.text("name"), f.text("audience"), f.text("alg"), f.text("enc"), held, state(f.yes("disabled"))}
		}}
}

func (a *app) resourceServerCommand() *cobra.Command {
	r := resourceServers()
	cmd := group("resource-server", "Register and look after those that get encrypted tokens",
		a.resourceServerCreate(r), a.recordList(r, "List all resource servers", "signet resource-server show ID"),
		a.recordShow(r, "Show one resource server", "signet biller create --resource-server %s --help"),
		a.recordUpdate(r, "Change members of a resource server", `  echo '{"enc": "A256GCM"}' | signet resource-server update payments --from -`, anotherKey))
	cmd.AddCommand(a.recordActs(r, "Disable a resource server: nothing is issued for it", "Let tokens be issued for it again")...)
	a.targetFlags(cmd)
	return cmd
}

// anotherKey lets a public key in one form take the place of the one that stands, whose form is always jwk.
func anotherKey(patch body) {
	if _, given := patch["jwk"]; !given && patch["pem"] != nil {
		patch["jwk"] = nil
	}
}

func (a *app) resourceServerCreate(r *register) *cobra.Command {
	var from, id, name, audience, pemFile, jwkFile, privateFile, alg, enc, scope string
	var generate bool
	cmd := &cobra.Command{Use: "create", Short: "Register a resource server with its public key", Args: arguments,
		Example: "  signet resource-server create --id payments --name Payments --audience https://payments.example --pem-file payments.pem\n" +
			"  signet resource-server create --id invoices --name 'Invoice API' --audience https://signet.example/api/v1 --generate\n" +
			"  signet resource-server create --id invoices --name 'Invoice API' --audience https://signet.example/api/v1 --private-key-file shared.pem",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.bodyFrom(from)
			if err != nil {
				return err
			}
			for member, value := range map[string]string{"id": id, "name": name, "audience": audience, "alg": alg, "enc": enc, "scope": scope} {
				b.put(member, value)
			}
			b.put("generate", generate)
			for member, path := range map[string]string{"pem": pemFile, "private_key_pem": privateFile} {
				if path == "" {
					continue
				}
				content, err := readInput(path, a.in)
				if err != nil {
					return err
				}
				b[member] = string(content)
			}
			if jwkFile != "" {
				content, err := readInput(jwkFile, a.in)
				if err != nil {
					return err
				}
				if !json.Valid(content) {
					return usage("--jwk-file is not JSON")
				}
				b["jwk"] = json.RawMessage(content)
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.make(cmd.Context(), c, http.MethodPost, r.path, b,
					[]line{{member: "id", word: "id"}, {member: "audience", word: "audience"}, {member: "alg", word: "alg"}, {member: "jwk", word: "public key"}},
					func(f fields) string { return "signet biller create --resource-server " + f.text("id") + " --help" })
			})
		}}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "file with the resource server as JSON, - for stdin; flags go over it")
	flags.StringVar(&id, "id", "", "letters, digits, dot, underscore, hyphen; made when left out")
	flags.StringVar(&name, "name", "", "name that people see")
	flags.StringVar(&audience, "audience", "", "aud of its tokens: an absolute URI")
	flags.StringVar(&pemFile, "pem-file", "", "file with its public key or certificate")
	flags.StringVar(&jwkFile, "jwk-file", "", "file with its public key as JWK")
	flags.StringVar(&privateFile, "private-key-file", "", "file with a private key that signet is to hold: a shared one, or its own invoice API's")
	flags.BoolVar(&generate, "generate", false, "signet makes and holds the key pair")
	flags.StringVar(&alg, "alg", "", "RSA-OAEP-256 (default), RSA-OAEP (older .NET) or ECDH-ES+A256KW")
	flags.StringVar(&enc, "enc", "", "A256GCM (default), A128CBC-HS256 or A256CBC-HS512")
	flags.StringVar(&scope, "scope", "", "scopes that its tokens may carry, separated by spaces")
	return cmd
}
