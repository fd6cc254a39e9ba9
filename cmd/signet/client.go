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
}

func (a *app) clientCommand() *cobra.Command {
	cmd := group("client", "Register and look after OAuth clients",
		a.clientCreate(), a.clientList(), a.clientShow(), a.clientUpdate(),
		a.clientAct("disable", "Disable a client and take back what it was issued", "signet client enable %s (takes it in again)"),
		a.clientAct("enable", "Let a disabled client act again", "signet client show %s"),
		a.clientSecret())
	a.targetFlags(cmd)
	return cmd
}

// clientFlags are the members that people set most; --from takes the whole metadata.
type clientFlags struct {
	id, name, method, scope, kind, jwksFile, alg, from string
	redirects, logouts, origins, audiences, grants     []string
	public, firstParty, introspect, admin, partner     bool
}

func (a *app) clientCreate() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{Use: "create", Short: "Register a client; its secret is shown once", Args: cobra.NoArgs,
		Example: "  signet client create --name Shop --redirect-uri https://shop.example/callback --scope 'openid profile email'\n" +
			"  signet client create --name App --public --type native --redirect-uri com.example.app:/callback --scope openid\n" +
			"  signet client create --name Job --grant client_credentials --scope orders:read --audience https://api.example\n" +
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
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "file with the metadata as JSON (RFC 7591 and signet's members), - for stdin; alone")
	flags.StringVar(&f.id, "id", "", "client_id; a UUID is made when it is left out")
	flags.StringVar(&f.name, "name", "", "name that people see")
	flags.StringSliceVar(&f.redirects, "redirect-uri", nil, "redirect URI; repeat for more")
	flags.StringSliceVar(&f.logouts, "post-logout-redirect-uri", nil, "where logout may return to; repeat for more")
	flags.StringSliceVar(&f.origins, "origin", nil, "browser origin that may read answers; repeat for more")
	flags.StringSliceVar(&f.audiences, "audience", nil, "resource that may be named, the first is the default")
	flags.StringSliceVar(&f.grants, "grant", nil, "grant type; authorization_code and refresh_token when left out")
	flags.StringVar(&f.scope, "scope", "", "scopes that may be asked for, separated by spaces")
	flags.StringVar(&f.method, "auth-method", "", "client_secret_basic (default), client_secret_post or private_key_jwt")
	flags.StringVar(&f.alg, "auth-alg", "", "algorithm of assertions for private_key_jwt")
	flags.StringVar(&f.jwksFile, "jwks-file", "", "file with the public keys (JWKS) for private_key_jwt")
	flags.StringVar(&f.kind, "type", "", "web (default) or native")
	flags.BoolVar(&f.public, "public", false, "no credential: browser and native apps")
	flags.BoolVar(&f.firstParty, "first-party", false, "your own: no consent page")
	flags.BoolVar(&f.introspect, "introspect", false, "a resource server that may use /introspect")
	flags.BoolVar(&f.partner, "partner", false, "partner: one signing and one encryption key")
	flags.BoolVar(&f.admin, "admin", false, "may use the admin API with a client_credentials token")
	return cmd
}

func (f *clientFlags) body(stdin io.Reader) (any, error) {
	if f.from != "" {
		content, err := readInput(f.from, stdin)
		if err != nil {
			return nil, err
		}
		if !json.Valid(content) {
			return nil, usage("--from is not JSON")
		}
		return json.RawMessage(content), nil
	}
	method := signet.AuthMethod(f.method)
	switch {
	case f.public && method != "":
		return nil, usage("a --public client has no --auth-method")
	case f.public:
		method = signet.AuthNone
	case method == "" && f.jwksFile != "":
		method = signet.AuthPrivateKeyJWT
	}
	grants := f.grants
	if grants == nil && !f.introspect {
		grants = []string{signet.GrantAuthorizationCode, signet.GrantRefreshToken}
	}
	m := signet.ClientMetadata{ClientName: f.name, RedirectURIs: f.redirects, PostLogoutRedirectURIs: f.logouts, Origins: f.origins,
		Audiences: f.audiences, GrantTypes: grants, Scope: f.scope, TokenEndpointAuthMethod: method, TokenEndpointAuthAlg: f.alg,
		ApplicationType: f.kind, FirstParty: f.firstParty, Introspect: f.introspect, Partner: f.partner}
	if grants == nil {
		m.GrantTypes = []string{}
	}
	if f.jwksFile != "" {
		content, err := os.ReadFile(f.jwksFile)
		if err != nil {
			return nil, err
		}
		if !json.Valid(content) {
			return nil, usage("--jwks-file is not JSON")
		}
		m.JWKS = content
	}
	return struct {
		ClientID string `json:"client_id,omitempty"`
		signet.ClientMetadata
		Admin bool `json:"admin,omitempty"`
	}{f.id, m, f.admin}, nil
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
	}); err != nil {
		return err
	}
	a.next("signet client show %s", visible(c.ClientID))
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
