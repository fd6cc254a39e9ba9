package main

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/signet"
)

// change writes the members of a patch over a record: null takes one back to its default (RFC 7396, for the outer
// members alone).
func (f fields) change(patch body) error {
	for name, value := range patch {
		raw, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if string(raw) == "null" {
			delete(f, name)
			continue
		}
		f[name] = raw
	}
	return nil
}

// update reads, changes and writes one record, under the version that was read.
func (a *app) update(cmd *cobra.Command, c *api, path string, patch body, next string) error {
	raw, err := c.replace(cmd.Context(), path, func(record fields) error { return record.change(patch) })
	if err != nil {
		return err
	}
	if err := a.showRecord(raw); err != nil {
		return err
	}
	a.next("%s", next)
	return nil
}

// patchFrom is --from with the flags over it. Nothing to change is a wrong call.
func (a *app) patchFrom(from string, cmd *cobra.Command, flags map[string]any) (body, error) {
	patch, err := a.bodyFrom(from)
	if err != nil {
		return nil, err
	}
	for flag, value := range flags {
		if cmd.Flags().Changed(flag) {
			patch[memberOf(flag)] = value
		}
	}
	if len(patch) == 0 {
		return nil, usage("nothing to change: give --from or a flag")
	}
	return patch, nil
}

// recordUpdate changes members of a record of a register by --from alone: what they have is more than flags can say.
func (a *app) recordUpdate(r *register, short, example string, complete func(body)) *cobra.Command {
	var from string
	cmd := &cobra.Command{Use: "update " + r.arg, Short: short + "; the others stay", Args: arguments, Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			patch, err := a.patchFrom(from, cmd, nil)
			if err != nil {
				return err
			}
			if complete != nil {
				complete(patch)
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.update(cmd, c, r.at(args[0]), patch, "signet "+r.group+" show "+visible(args[0]))
			})
		}}
	cmd.Flags().StringVar(&from, "from", "", "file with the members to change as a JSON object, null for the default, - for stdin")
	return cmd
}

// memberOf is the member that a flag writes: lists have a flag in the singular, to be repeated.
func memberOf(flag string) string {
	switch flag {
	case "redirect-uri", "post-logout-redirect-uri", "origin", "audience":
		flag += "s"
	case "network":
		flag = "allowed-networks"
	case "certificate-file":
		flag = "certificates"
	case "grant":
		flag = "grant-types"
	case "auth-method":
		flag = "token-endpoint-auth-method"
	case "auth-alg":
		flag = "token-endpoint-auth-signing-alg"
	case "type":
		flag = "application-type"
	case "jwks-file":
		flag = "jwks"
	case "resource-server":
		flag = "default-resource-server"
	}
	return strings.ReplaceAll(flag, "-", "_")
}

func (a *app) clientUpdate(r *register) *cobra.Command {
	var from, name, scope string
	var redirects, logouts, origins, audiences, networks, certificates []string
	cmd := &cobra.Command{Use: "update CLIENT_ID", Short: "Change members of a client; the others stay", Args: arguments,
		Example: "  signet client update shop --scope 'openid email'\n" + `  echo '{"access_token_lifetime": 600, "logo_uri": null}' | signet client update shop --from -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readCertificates(certificates, a.in)
			if err != nil {
				return err
			}
			patch, err := a.patchFrom(from, cmd, map[string]any{"client-name": name, "scope": scope, "redirect-uri": redirects,
				"post-logout-redirect-uri": logouts, "origin": origins, "audience": audiences, "network": networks, "certificate-file": text})
			if err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.update(cmd, c, r.at(args[0]), patch, "signet client show "+visible(args[0]))
			})
		}}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "file with the members to change as a JSON object, null for the default, - for stdin")
	flags.StringVar(&name, "client-name", "", "name that people see")
	flags.StringVar(&scope, "scope", "", "scopes that may be asked for, separated by spaces")
	flags.StringSliceVar(&redirects, "redirect-uri", nil, "redirect URIs in place of those of before; repeat for more")
	flags.StringSliceVar(&logouts, "post-logout-redirect-uri", nil, "where logout may return to, in place of those of before")
	flags.StringSliceVar(&origins, "origin", nil, "browser origins in place of those of before")
	flags.StringSliceVar(&audiences, "audience", nil, "resources in place of those of before")
	flags.StringSliceVar(&networks, "network", nil, "networks (CIDR) that may act for it, in place of those of before")
	flags.StringArrayVar(&certificates, "certificate-file", nil, "PEM certificates of the hosted keys in place of those of before, signing first")
	return cmd
}

func (a *app) userUpdate() *cobra.Command {
	var from, username string
	var p signet.Profile
	cmd := &cobra.Command{Use: "update USERNAME|SUB", Short: "Change members of a user; the others stay", Args: arguments,
		Example: "  signet user update alice --email alice@example.org --email-verified\n" + `  echo '{"phone_number": null}' | signet user update alice --from -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			patch, err := a.patchFrom(from, cmd, map[string]any{"username": username, "name": p.Name, "given-name": p.GivenName,
				"family-name": p.FamilyName, "email": p.Email, "email-verified": p.EmailVerified, "phone-number": p.PhoneNumber,
				"phone-number-verified": p.PhoneNumberVerified})
			if err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				sub, err := findUser(cmd, c, args[0])
				if err != nil {
					return err
				}
				return a.update(cmd, c, "/users/"+sub, patch, "signet user list")
			})
		}}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "file with the members to change as a JSON object, null to remove, - for stdin")
	flags.StringVar(&username, "username", "", "login name")
	profileFlags(cmd, &p)
	return cmd
}
