package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) keyCommand() *cobra.Command {
	cmd := group("key", "Look after the keys of the server", a.keyList(), a.keyRotate(), a.keyRevoke(), a.keyRewrap())
	a.targetFlags(cmd)
	return cmd
}

func (a *app) keyList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the keys with their states", Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				var raw json.RawMessage
				if err := c.call(cmd.Context(), http.MethodGet, "/keys", 0, nil, &raw); err != nil {
					return err
				}
				var list struct {
					Keys []struct {
						KID       string    `json:"kid"`
						Use       string    `json:"use"`
						Alg       string    `json:"alg"`
						State     string    `json:"state"`
						CreatedAt time.Time `json:"created_at"`
						SignsAt   time.Time `json:"activate_at"`
					} `json:"keys"`
				}
				if err := json.Unmarshal(raw, &list); err != nil {
					return err
				}
				var rows [][]string
				for _, k := range list.Keys {
					rows = append(rows, []string{k.KID, k.Use, k.Alg, k.State, k.CreatedAt.Format(time.RFC3339), k.SignsAt.Format(time.RFC3339)})
				}
				if err := a.print(raw, func() {
					a.table([]string{"KID", "USE", "ALG", "STATE", "CREATED", "SIGNS FROM"}, rows)
				}); err != nil {
					return err
				}
				a.next("signet key rotate --alg ES256")
				return nil
			})
		}}
}

func (a *app) keyRotate() *cobra.Command {
	var alg string
	cmd := &cobra.Command{Use: "rotate", Short: "Make a successor for the signing keys (all algorithms, or --alg)", Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]string{}
			if alg != "" {
				body["alg"] = alg
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				var raw json.RawMessage
				if err := c.call(cmd.Context(), http.MethodPost, "/keys/rotate", 0, body, &raw); err != nil {
					return err
				}
				var made struct{ Kids []string }
				if err := json.Unmarshal(raw, &made); err != nil {
					return err
				}
				if err := a.print(raw, func() {
					a.say("published: %s\nIt signs once every verifier can have read it (keys.jwks_max_age).", visible(strings.Join(made.Kids, " ")))
				}); err != nil {
					return err
				}
				a.next("signet key list")
				return nil
			})
		}}
	cmd.Flags().StringVar(&alg, "alg", "", "one algorithm, as ES256")
	return cmd
}

func (a *app) keyRevoke() *cobra.Command {
	return &cobra.Command{Use: "revoke KID", Short: "Emergency: nothing that this key signed is accepted any more", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				if err := c.call(cmd.Context(), http.MethodPost, "/keys/"+url.PathEscape(args[0])+"/revoke", 0, nil, nil); err != nil {
					return err
				}
				if err := a.print(map[string]string{"kid": args[0]}, func() {
					a.say("%s: revoked; a successor signs already. Tell resource servers to fetch the key set anew.", visible(args[0]))
				}); err != nil {
					return err
				}
				a.next("signet key list")
				return nil
			})
		}}
}

func (a *app) keyRewrap() *cobra.Command {
	return &cobra.Command{Use: "rewrap", Short: "Seal every key anew under the current key-encryption key", Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				var raw json.RawMessage
				if err := c.call(cmd.Context(), http.MethodPost, "/keys/rewrap", 0, nil, &raw); err != nil {
					return err
				}
				var done struct{ Rewrapped int }
				if err := json.Unmarshal(raw, &done); err != nil {
					return err
				}
				if err := a.print(raw, func() {
					if done.Rewrapped == 0 {
						a.say("0 keys sealed anew: every key stands under the current key-encryption key already.")
						return
					}
					a.say("%d keys sealed anew", done.Rewrapped)
				}); err != nil {
					return err
				}
				if done.Rewrapped == 0 {
					a.next("to change it, put another first in keys.kek_file on every node, restart them one by one, then signet key rewrap")
				} else {
					a.next("remove the old key-encryption key from keys.kek_file on every node, then restart them one by one")
				}
				return nil
			})
		}}
}
