package main

import (
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func apiKeys(account string) *register {
	return &register{group: "apikey", path: accounts().at(account, "api-keys"), member: "api_keys", arg: "NAME",
		header: []string{"NAME", "ROLE", "STATE", "IMPORTED", "NETWORKS", "EXPIRES", "CREATED BY"},
		row: func(f fields) []string {
			imported := "no"
			if f.yes("imported") {
				imported = "yes"
			}
			return []string{f.text("name"), f.text("role"), state(!f.yes("enabled")), imported, f.text("allowed_networks"), f.text("expires_at"), f.text("created_by")}
		}}
}

func (a *app) apiKeyCommand() *cobra.Command {
	cmd := group("apikey", "Make and look after the API keys of accounts",
		a.apiKeyCreate(), a.apiKeyImport(), a.apiKeyList(),
		a.apiKeyAct("disable", "Disable a key: refused on every node within a second", false),
		a.apiKeyAct("enable", "Let a disabled key act again", true))
	a.targetFlags(cmd)
	return cmd
}

// apiKeyFlags are what create and import share.
type apiKeyFlags struct {
	account, name, role string
	networks            []string
	manage              bool
	expires             time.Duration
}

func (f *apiKeyFlags) add(cmd *cobra.Command) *cobra.Command {
	ofAccount(cmd, &f.account)
	cmd.Flags().StringVar(&f.name, "name", "", "name, unique in the account")
	cmd.Flags().StringVar(&f.role, "role", "", "role in the account, as merchant-terminal")
	cmd.Flags().StringSliceVar(&f.networks, "network", nil, "network (CIDR) that may use it; all when left out; repeat for more")
	cmd.Flags().BoolVar(&f.manage, "may-manage", false, "may make keys and members, as its role says")
	cmd.Flags().DurationVar(&f.expires, "expires-in", 0, "ends after so long; never when left out")
	return cmd
}

func (f *apiKeyFlags) body() (body, error) {
	if err := needAccount(f.account); err != nil {
		return nil, err
	}
	b := body{"name": f.name, "role": f.role}
	b.put("allowed_networks", f.networks)
	b.put("may_manage", f.manage)
	if f.expires != 0 {
		b["expires_at"] = time.Now().Add(f.expires).UTC().Truncate(time.Second)
	}
	return b, nil
}

func apiKeyLines() []line {
	return []line{{member: "name", word: "name"}, {member: "role", word: "role"}, {member: "secret", word: "secret", once: true}}
}

func (a *app) apiKeyCreate() *cobra.Command {
	var f apiKeyFlags
	return f.add(&cobra.Command{Use: "create", Short: "Make an API key; it is shown once", Args: arguments,
		Example: "  signet apikey create --account ACCOUNT --name 'Till 1' --role merchant-terminal",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := f.body()
			if err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.make(cmd.Context(), c, http.MethodPost, apiKeys(f.account).path, b, apiKeyLines(),
					func(fields) string { return "signet try apikey --help, or signet apikey list --account " + f.account })
			})
		}})
}

func (a *app) apiKeyImport() *cobra.Command {
	var f apiKeyFlags
	var file string
	cmd := f.add(&cobra.Command{Use: "import", Short: "Take a key of an old system over, so that who holds it changes nothing", Args: arguments,
		Example: "  signet apikey import --account ACCOUNT --name 'Old till' --role merchant-terminal --secret-file FILE",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := f.body()
			if err != nil {
				return err
			}
			if err := a.secretFrom(b, "secret", file); err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.make(cmd.Context(), c, http.MethodPost, accounts().at(f.account, "api-key-imports"), b, apiKeyLines(),
					func(fields) string { return "signet apikey list --account " + f.account })
			})
		}})
	cmd.Flags().StringVar(&file, "secret-file", "-", "file that holds the key on one line, - for stdin")
	return cmd
}

func (a *app) apiKeyList() *cobra.Command {
	var account string
	return ofAccount(&cobra.Command{Use: "list", Short: "List the API keys of an account", Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needAccount(account); err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.showWhole(cmd.Context(), c, apiKeys(account), "signet apikey disable --account "+visible(account)+" NAME")
			})
		}}, &account)
}

func (a *app) apiKeyAct(act, short string, enabled bool) *cobra.Command {
	var account string
	return ofAccount(&cobra.Command{Use: act + " NAME", Short: short, Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needAccount(account); err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				raw, err := c.setEnabled(cmd.Context(), apiKeys(account).at(args[0]), enabled)
				if err != nil {
					return err
				}
				if err := a.print(raw, func() { a.say("%s: %sd", visible(args[0]), act) }); err != nil {
					return err
				}
				a.next("signet apikey list --account %s", visible(account))
				return nil
			})
		}}, &account)
}
