package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/signet"
)

func (a *app) adminCommand() *cobra.Command {
	var name string
	first := &cobra.Command{Use: "init", Short: "Make the first admin key: once, shown once", Args: cobra.NoArgs,
		Example: "  signet admin init --config signet.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStores(cmd.Context(), func(n *node) error {
				id, key, err := n.room.FirstKey(cmd.Context(), name)
				if errors.Is(err, signet.ErrConflict) {
					return fmt.Errorf("%w: an admin key exists already, and only the first is made here; without it, the other commands take --config FILE and need no key", signet.ErrConflict)
				}
				if err != nil {
					return err
				}
				if err := a.print(map[string]string{"key_id": id, "admin_key": key.Reveal()}, func() {
					a.say("admin key  %s\n\nIt is shown this once; signet keeps only its hash.", key.Reveal())
				}); err != nil {
					return err
				}
				a.next("signet serve --config %s, then in another shell with SIGNET_ADMIN_KEY set:\n"+
					"      signet client create --server http://%s --help", a.config, n.adminListen)
				return nil
			})
		}}
	first.Flags().StringVar(&name, "name", "first", "name of the key, for history")
	cmd := group("admin", "Set up the admin API", first, a.adminKeyCommand())
	cmd.PersistentFlags().StringVar(&a.config, "config", "", "configuration file (environment over it)")
	return cmd
}

// adminKeyRecord is an admin key as the admin API writes it.
type adminKeyRecord struct {
	KeyID     string    `json:"key_id"`
	Name      string    `json:"name"`
	AdminKey  string    `json:"admin_key,omitempty"`
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`
}

func (a *app) adminKeyCommand() *cobra.Command {
	var name string
	list := &cobra.Command{Use: "list", Short: "List the admin keys", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				var page struct {
					Keys []adminKeyRecord `json:"admin_keys"`
				}
				if err := c.call(cmd.Context(), http.MethodGet, "/admin-keys", 0, nil, &page); err != nil {
					return err
				}
				err := a.print(page.Keys, func() {
					var rows [][]string
					for _, key := range page.Keys {
						state := "live"
						if key.Disabled {
							state = "disabled"
						}
						rows = append(rows, []string{key.KeyID, key.Name, state, key.CreatedAt.Format(time.RFC3339)})
					}
					a.table([]string{"KEY ID", "NAME", "STATE", "CREATED"}, rows)
				})
				a.next("signet admin key create --name NAME (one for each operator and program)")
				return err
			})
		}}
	create := &cobra.Command{Use: "create", Short: "Make one more admin key; it is shown once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				var made adminKeyRecord
				if err := c.call(cmd.Context(), http.MethodPost, "/admin-keys", 0, map[string]string{"name": name}, &made); err != nil {
					return err
				}
				err := a.print(made, func() {
					a.say("key id     %s\nadmin key  %s\n\nIt is shown this once; signet keeps only its hash.", made.KeyID, made.AdminKey)
				})
				a.next("signet admin key list")
				return err
			})
		}}
	create.Flags().StringVar(&name, "name", "", "whose key it is, for history")
	disable := &cobra.Command{Use: "disable KEY_ID", Short: "End an admin key at once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				path := "/admin-keys/" + url.PathEscape(args[0]) + "/disable"
				if err := c.call(cmd.Context(), http.MethodPost, path, 0, nil, nil); err != nil {
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
