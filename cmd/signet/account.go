package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func accounts() *register {
	return &register{group: "account", path: "/accounts", member: "accounts", arg: "ACCOUNT",
		header: []string{"ACCOUNT", "NAME", "TYPE", "INSTANCE", "STATE"},
		row: func(f fields) []string {
			return []string{f.text("id"), f.text("name"), f.text("type"), f.text("instance"), state(f.yes("disabled"))}
		}}
}

func (a *app) accountCommand() *cobra.Command {
	r := accounts()
	cmd := group("account", "Register and look after accounts, their members and their intent keys",
		a.accountCreate(r), a.recordList(r, "List all accounts", "signet account show ACCOUNT"),
		a.recordShow(r, "Show one account", "signet account member list %[1]s, or signet apikey list --account %[1]s"),
		a.accountSettings(r), a.memberCommand(r), a.intentKey(r))
	cmd.AddCommand(a.recordActs(r, "Disable an account: nobody acts for it", "Let members and keys of a disabled account act again")...)
	a.targetFlags(cmd)
	return cmd
}

func (a *app) accountCreate(r *register) *cobra.Command {
	var id, name, kind, owner, instance string
	cmd := &cobra.Command{Use: "create", Short: "Register an account", Args: arguments,
		Example: "  signet account create --name 'Corner Shop' --owner alice\n  signet account create --name Alice --type individual --owner alice",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				b := body{"name": name, "type": kind}
				b.put("id", id)
				b.put("instance", instance)
				if owner != "" {
					sub, err := findUser(cmd, c, owner)
					if err != nil {
						return err
					}
					b["owner"] = sub
				}
				return a.make(cmd.Context(), c, http.MethodPost, r.path, b,
					[]line{{member: "id", word: "account"}, {member: "name", word: "name"}, {member: "instance", word: "instance"}},
					func(f fields) string {
						return "signet apikey create --account " + f.text("id") + " --name NAME --role ROLE, or signet account intent-key " + f.text("id")
					})
			})
		}}
	flags := cmd.Flags()
	flags.StringVar(&id, "id", "", "UUID; made when left out")
	flags.StringVar(&name, "name", "", "name that people see")
	flags.StringVar(&kind, "type", "org", "org or individual")
	flags.StringVar(&owner, "owner", "", "user who becomes account-owner: login name, e-mail address or sub")
	flags.StringVar(&instance, "instance", "", "GUID that payment intents carry as inst; made when left out")
	return cmd
}

func (a *app) accountSettings(r *register) *cobra.Command {
	var from, name string
	cmd := &cobra.Command{Use: "settings ACCOUNT", Short: "Replace the settings for payment intents, or the name", Args: arguments,
		Example: `  echo '{"single_use": true, "supported_payment_methods": []}' | signet account settings ACCOUNT --from -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var settings body
			if from != "" {
				var err error
				if settings, err = a.bodyFrom(from); err != nil {
					return err
				}
			}
			if from == "" && name == "" {
				return usage("--from or --name is needed")
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				raw, err := c.replace(cmd.Context(), r.at(args[0]), func(record fields) error {
					if name != "" {
						if err := record.set("name", name); err != nil {
							return err
						}
					}
					if settings == nil {
						return nil
					}
					return record.set("settings", settings)
				})
				if err != nil {
					return err
				}
				if err := a.showRecord(raw); err != nil {
					return err
				}
				a.next("signet account show %s", visible(args[0]))
				return nil
			})
		}}
	cmd.Flags().StringVar(&from, "from", "", "file with the settings as a JSON object, - for stdin")
	cmd.Flags().StringVar(&name, "name", "", "new name")
	return cmd
}

func (a *app) intentKey(r *register) *cobra.Command {
	var key keyFlags
	var overlap time.Duration
	cmd := &cobra.Command{Use: "intent-key ACCOUNT", Short: "Add an HS256 key for payment intents; the one of before verifies on for a while", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			b := body{}
			overlapIn(cmd, b, overlap)
			if err := a.keyIn(b, "secret", &key); err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.make(cmd.Context(), c, http.MethodPost, r.at(args[0], "intent-keys"), b,
					[]line{{member: "kid", word: "kid"}, {member: "secret", word: "secret (hex)", once: true}},
					func(fields) string { return "signet try intent --help" })
			})
		}}
	key.add(cmd, "HS256 key")
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the keys of before verify on")
	return cmd
}

func members(account string, r *register) *register {
	return &register{group: "account member", path: r.at(account, "members"), member: "members", arg: "USER",
		header: []string{"USER", "ROLE", "ACCEPTED", "SINCE", "BY"},
		row: func(f fields) []string {
			accepted := "pending"
			if f.yes("accepted") {
				accepted = "yes"
			}
			return []string{f.text("user_id"), f.text("role"), accepted, f.text("created_at"), f.text("created_by")}
		}}
}

func (a *app) memberCommand(r *register) *cobra.Command {
	var role string
	var accepted bool
	list := &cobra.Command{Use: "list ACCOUNT", Short: "List the members", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.showWhole(cmd.Context(), c, members(args[0], r), "signet account member set "+visible(args[0])+" USER --role ROLE")
			})
		}}
	set := &cobra.Command{Use: "set ACCOUNT USER", Short: "Make a user a member, or give a member another role", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				sub, err := findUser(cmd, c, args[1])
				if err != nil {
					return err
				}
				return a.make(cmd.Context(), c, http.MethodPut, r.at(args[0], "members", sub), body{"role": role, "accepted": accepted},
					[]line{{member: "user_id", word: "user"}, {member: "role", word: "role"}, {member: "accepted", word: "accepted"}},
					func(fields) string { return "signet account member list " + args[0] })
			})
		}}
	set.Flags().StringVar(&role, "role", "", "role in this account, as account-owner")
	set.Flags().BoolVar(&accepted, "accepted", false, "counts at once, without the user's own acceptance")
	remove := &cobra.Command{Use: "remove ACCOUNT USER", Short: "Take a user out of an account", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				sub, err := findUser(cmd, c, args[1])
				if err != nil {
					return err
				}
				if err := c.call(cmd.Context(), http.MethodDelete, r.at(args[0], "members", sub), 0, nil, nil); err != nil {
					return err
				}
				if err := a.print(map[string]string{"user_id": sub}, func() { a.say("%s: no member any more", visible(args[1])) }); err != nil {
					return err
				}
				a.next("signet account member list %s", visible(args[0]))
				return nil
			})
		}}
	return group("member", "Who belongs to an account", list, set, remove)
}

// ofAccount is a flag that several groups need.
func ofAccount(cmd *cobra.Command, account *string) *cobra.Command {
	cmd.Flags().StringVar(account, "account", "", "id of the account, needed")
	return cmd
}

func needAccount(account string) error {
	if account == "" {
		return usage("--account is needed: signet account list shows the ids")
	}
	return nil
}

// setEnabled writes enabled back under the version that was read.
func (c *api) setEnabled(ctx context.Context, path string, enabled bool) (json.RawMessage, error) {
	return c.replace(ctx, path, func(record fields) error { return record.set("enabled", enabled) })
}
