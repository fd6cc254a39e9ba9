package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
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
	cmd := group("client", "Register and look after OAuth clients",
		a.clientCreate(), a.clientList(), a.clientShow(), a.clientUpdate(),
		a.clientAct("disable", "Disable a client and take back what it was issued", "signet client enable %s (takes it in again)"),
		a.clientAct("enable", "Let a disabled client act again", "signet client show %s"),
		a.clientSecret(), a.clientActivate(), a.clientEvidence(), a.clientRefuseKey())
	a.targetFlags(cmd)
	return cmd
}

func (a *app) clientCreate() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{Use: "create", Short: "Register a client; its secret is shown once", Args: cobra.NoArgs,
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

func (a *app) clientList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List all clients", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				records, rows := []json.RawMessage{}, [][]string{}
				err := c.all(cmd.Context(), "/clients", "clients", func(raw json.RawMessage) error {
					var r clientRecord
					if err := json.Unmarshal(raw, &r); err != nil {
						return err
					}
					records = append(records, raw)
					rows = append(rows, []string{r.ClientID, r.ClientName, string(r.TokenEndpointAuthMethod), strings.Join(r.GrantTypes, " "), state(r.Disabled)})
					return nil
				})
				if err != nil {
					return err
				}
				if err := a.print(map[string]any{"clients": records}, func() {
					a.table([]string{"CLIENT_ID", "NAME", "AUTHENTICATION", "GRANTS", "STATE"}, rows)
				}); err != nil {
					return err
				}
				a.next("signet client show CLIENT_ID")
				return nil
			})
		}}
}

func state(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "live"
}

func (a *app) clientShow() *cobra.Command {
	return &cobra.Command{Use: "show CLIENT_ID", Short: "Show one client", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				var raw json.RawMessage
				if err := c.call(cmd.Context(), http.MethodGet, "/clients/"+url.PathEscape(args[0]), 0, nil, &raw); err != nil {
					return err
				}
				if err := a.showRecord(raw); err != nil {
					return err
				}
				a.next("signet client rotate-secret %[1]s, or signet client disable %[1]s", visible(args[0]))
				return nil
			})
		}}
}

// showRecord prints a record: as it came for programs, indented and made visible for people.
func (a *app) showRecord(raw json.RawMessage) error {
	indented, err := json.MarshalIndent(raw, "", "  ")
	if err != nil {
		return err
	}
	return a.print(raw, func() { a.say("%s", visible(string(indented))) })
}

func (a *app) clientAct(act, short, next string) *cobra.Command {
	return &cobra.Command{Use: act + " CLIENT_ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				var raw json.RawMessage
				if err := c.call(cmd.Context(), http.MethodPost, "/clients/"+url.PathEscape(args[0])+"/"+act, 0, nil, &raw); err != nil {
					return err
				}
				if err := a.print(raw, func() { a.say("%s: %sd", visible(args[0]), act) }); err != nil {
					return err
				}
				a.next(next, visible(args[0]))
				return nil
			})
		}}
}

func (a *app) clientSecret() *cobra.Command {
	var overlap time.Duration
	cmd := &cobra.Command{Use: "rotate-secret CLIENT_ID", Short: "Make a new secret; the one of before lives on for a while", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				var raw json.RawMessage
				body := map[string]int64{"overlap": int64(overlap / time.Second)}
				if err := c.call(cmd.Context(), http.MethodPost, "/clients/"+url.PathEscape(args[0])+"/secrets", 0, body, &raw); err != nil {
					return err
				}
				return a.showCreated(raw)
			})
		}}
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the secret of before lives on; 0 ends it now")
	return cmd
}
