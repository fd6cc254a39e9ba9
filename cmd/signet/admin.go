package main

import (
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/signet"
)

func (a *app) adminCommand() *cobra.Command {
	var name string
	first := &cobra.Command{Use: "init", Short: "Make the first admin key: once, shown once", Args: arguments,
		Example: "  signet admin init --config signet.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStores(cmd.Context(), func(n *node) error {
				id, key, err := n.room.FirstKey(cmd.Context(), name)
				if errors.Is(err, signet.ErrConflict) {
					return signet.NewError(signet.CodeConflict, "an admin key exists already, and only the first is made here. Without it the other commands take --config and need no key: "+
						a.aimed("signet admin key create --name NAME"), "admin_key_exists")
				}
				if err != nil {
					return err
				}
				if err := a.print(map[string]string{"key_id": id, "admin_key": key.Reveal()}, func() {
					a.say("admin key  %s\n\nIt is shown this once; signet keeps only its hash.", key.Reveal())
				}); err != nil {
					return err
				}
				a.step("%s, then in another shell with SIGNET_ADMIN_KEY set:\n"+
					"      signet client create --server http://%s --help", a.aimed("signet serve"), n.adminListen)
				return nil
			})
		}}
	first.Flags().StringVar(&name, "name", "first", "name of the key, for history")
	cmd := group("admin", "Set up the admin API", first, a.adminKeyCommand())
	cmd.PersistentFlags().StringVar(&a.config, "config", "", "configuration file (environment over it)")
	return cmd
}

func (a *app) adminKeyCommand() *cobra.Command {
	var name string
	r := &register{group: "admin key", path: "/admin-keys", member: "admin_keys", arg: "KEY_ID",
		header: []string{"KEY ID", "NAME", "STATE", "CREATED"},
		row: func(f fields) []string {
			return []string{f.text("key_id"), f.text("name"), state(f.yes("disabled")), f.text("created_at")}
		}}
	list := &cobra.Command{Use: "list", Short: "List the admin keys", Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.showWhole(cmd.Context(), c, r, "signet admin key create --name NAME (one for each operator and program)")
			})
		}}
	create := &cobra.Command{Use: "create", Short: "Make one more admin key; it is shown once", Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.make(cmd.Context(), c, http.MethodPost, r.path, body{"name": name},
					[]line{{member: "key_id", word: "key id"}, {member: "admin_key", word: "admin key", once: true}},
					func(fields) string { return "signet admin key list" })
			})
		}}
	create.Flags().StringVar(&name, "name", "", "whose key it is, for history")
	disable := &cobra.Command{Use: "disable KEY_ID", Short: "End an admin key at once", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				if err := c.call(cmd.Context(), http.MethodPost, r.at(args[0], "disable"), 0, nil, nil); err != nil {
					return err
				}
				err := a.print(map[string]any{"key_id": args[0], "disabled": true}, func() { a.say("disabled: %s", visible(args[0])) })
				a.next("signet admin key list")
				return err
			})
		}}
	cmd := group("key", "Look after the keys of the admin API", list, create, disable)
	a.targetFlags(cmd)
	return cmd
}
