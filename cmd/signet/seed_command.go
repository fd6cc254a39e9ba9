package main

import (
	"net"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/config"
)

// seedCommand fills a deployment with what signet dev has, so that the same calls can be tried on PostgreSQL and Redis.
func (a *app) seedCommand() *cobra.Command {
	var data string
	cmd := &cobra.Command{Use: "seed", Short: "Put the demo's clients, users and records into a deployment on loopback", Args: arguments,
		Long: "Put the clients, users, billers, accounts and applications of signet dev into the stores of a configuration, to try\n" +
			"or test signet serve. The card with every secret, and the private keys, are written to --data.\n" +
			"Only for an issuer on loopback: these are records for everybody to play with.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.config == "" || data == "" {
				return usage("--config and --data are needed")
			}
			if err := os.MkdirAll(data, 0o700); err != nil {
				return err
			}
			h := &home{dir: data, kept: true}
			if _, err := os.Stat(h.cardFile()); err == nil {
				return usage("%s is there already: give an empty folder", h.cardFile())
			}
			fresh := h.material()
			return a.withStores(cmd.Context(), func(n *node) error {
				if !loopbackIssuer(n.issuer) {
					return usage("the issuer %s is not on loopback: demo records are for trials alone", n.issuer)
				}
				s := &seeder{ctx: cmd.Context(), api: localAPI(n.admin), home: h, card: &card{Issuer: n.issuer}}
				if err := s.plant(n, fresh); err != nil {
					return err
				}
				if err := writeCard(h.cardFile(), s.card); err != nil {
					return err
				}
				err := a.print(map[string]string{"card": h.cardFile()}, func() { a.say("The card with every secret: %s", h.cardFile()) })
				a.next("signet serve")
				return err
			})
		}}
	cmd.Flags().StringVar(&a.config, "config", "", "configuration file of the deployment (environment over it)")
	cmd.Flags().StringVar(&data, "data", "", "folder for the card and the private keys")
	return cmd
}

func loopbackIssuer(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && config.Loopback(net.JoinHostPort(u.Hostname(), "1"))
}
