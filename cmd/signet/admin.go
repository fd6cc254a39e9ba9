package main

import (
	"errors"
	"fmt"

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
	cmd := group("admin", "Set up the admin API", first)
	cmd.PersistentFlags().StringVar(&a.config, "config", "", "configuration file (environment over it)")
	return cmd
}
