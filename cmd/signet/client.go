package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/signet"
)

// clientRecord is a client as the admin API writes it.
type clientRecord struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret,omitempty"`
	signet.ClientMetadata
	Admin     bool      `json:"admin"`
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`
	Version   int64     `json:"version"`
	Warnings  []string  `json:"warnings"`
}

func (a *app) clientCommand() *cobra.Command {
	r := clients()
	cmd := group("client", "Register and look after OAuth clients",
		a.clientCreate(), a.recordList(r, "List all clients", "signet client show CLIENT_ID"),
		a.recordShow(r, "Show one client", "signet client update %[1]s, or signet client disable %[1]s"),
		a.clientUpdate(r), a.clientSecret(r), a.clientActivate(), a.clientEvidence(), a.clientRefuseKey(r))
	cmd.AddCommand(a.recordActs(r, "Disable a client and take back what it was issued", "Let a disabled client act again")...)
	a.targetFlags(cmd)
	return cmd
}

func (a *app) clientCreate() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{Use: "create", Short: "Register a client; its secret is shown once", Args: arguments,
		Example: "  signet client create --name Shop --redirect-uri https://shop.example/callback --scope 'openid profile email'\n" +
			"  signet client create --name App --public --type native --redirect-uri com.example.app:/callback --scope openid\n" +
			"  signet client create --name Job --grant client_credentials --scope orders:read --audience https://api.example\n" +
			"  signet client create --partner --environment cat --certificate-file sig.pem --certificate-file enc.pem --scope profile-search\n" +
			"  signet client create --partner --jwks-uri https://bank.example/jwks.json --network 192.0.2.0/24\n" +
			"  signet client create --from client.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := f.body(a.in)
			if err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				var raw json.RawMessage
				if err := c.call(cmd.Context(), http.MethodPost, "/clients", 0, body, &raw); err != nil {
					return err
				}
				return a.showCreated(raw)
			})
		}}
	f.add(cmd)
	return cmd
}

// readInput reads a file, or standard input for "-".
func readInput(path string, stdin io.Reader) ([]byte, error) {
	const limit = 1 << 20
	if path == "-" {
		return io.ReadAll(io.LimitReader(stdin, limit))
	}
	return os.ReadFile(path)
}

func (a *app) showCreated(raw json.RawMessage) error {
	var c clientRecord
	if err := json.Unmarshal(raw, &c); err != nil {
		return err
	}
	if err := a.print(raw, func() {
		a.say("client_id      %s", visible(c.ClientID))
		if c.ClientSecret != "" {
			a.say("client_secret  %s", visible(c.ClientSecret))
			a.say("\nThe secret is shown this once; signet keeps only its hash.")
		}
		a.showKeys(c.JWKS)
	}); err != nil {
		return err
	}
	a.warn(c.Warnings)
	a.next("%s", nextOf(&c))
	return nil
}

func clients() *register {
	return &register{group: "client", path: "/clients", member: "clients", arg: "CLIENT_ID",
		header: []string{"CLIENT_ID", "NAME", "AUTHENTICATION", "GRANTS", "STATE"},
		row: func(f fields) []string {
			return []string{f.text("client_id"), f.text("client_name"), f.text("token_endpoint_auth_method"), f.text("grant_types"), state(f.yes("disabled"))}
		}}
}

func state(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "live"
}

// showRecord prints a record: as it came for programs, indented and made visible for people.
func (a *app) showRecord(raw json.RawMessage) error {
	indented, err := json.MarshalIndent(raw, "", "  ")
	if err != nil {
		return err
	}
	return a.print(raw, func() { a.say("%s", visible(string(indented))) })
}

func (a *app) clientSecret(r *register) *cobra.Command {
	var overlap time.Duration
	cmd := &cobra.Command{Use: "rotate-secret CLIENT_ID", Short: "Make a new secret; the one of before lives on for a while", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				var raw json.RawMessage
				body := map[string]int64{"overlap": int64(overlap / time.Second)}
				if err := c.call(cmd.Context(), http.MethodPost, r.at(args[0], "secrets"), 0, body, &raw); err != nil {
					return err
				}
				return a.showCreated(raw)
			})
		}}
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the secret of before lives on; 0 ends it now")
	return cmd
}
