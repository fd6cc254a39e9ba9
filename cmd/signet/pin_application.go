package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func pinApplications() *register {
	return &register{group: "pin-application", path: "/pin-applications", member: "pin_applications", arg: "ID",
		header: []string{"ID", "USERNAME", "MODE", "KEYS", "NETWORKS", "MODE ENDS", "STATE"},
		row: func(f fields) []string {
			return []string{f.text("id"), f.text("username"), f.text("mode"), f.live("keys"), f.text("allowed_networks"), f.text("mode_ends"), state(f.yes("disabled"))}
		}}
}

func (a *app) pinApplicationCommand() *cobra.Command {
	r := pinApplications()
	cmd := group("pin-application", "Register and look after applications that log in with an encrypted PIN",
		a.pinCreate(r), a.recordList(r, "List all PIN applications", "signet pin-application show ID"),
		a.recordShow(r, "Show one PIN application", "signet pin-application rotate-key %[1]s, or signet pin-application disable %[1]s"),
		a.recordUpdate(r, "Change members of an application", `  echo '{"allowed_networks": ["192.0.2.0/24"]}' | signet pin-application update ID --from -`, nil),
		a.rotateKeyCommand(r, "AES key", "key", "Add a second AES key; both decrypt", pinLines()),
		a.endKeyCommand(r, "End one AES key now"), a.pinSet(r))
	cmd.AddCommand(a.recordActs(r, "Disable an application and take back what it was issued", "Let a disabled application log in again")...)
	a.targetFlags(cmd)
	return cmd
}

func pinLines() []line {
	return []line{{member: "id", word: "id"}, {member: "username", word: "username"}, {member: "mode", word: "mode"},
		{member: "pin", word: "pin", once: true}, {member: "kid", word: "kid"}, {member: "key", word: "key (hex)", once: true}}
}

func (a *app) pinCreate(r *register) *cobra.Command {
	var from, id, username, mode, pinFile, fixedIV, ends string
	var networks []string
	var key keyFlags
	cmd := &cobra.Command{Use: "create", Short: "Register an application; a PIN and a key that signet makes are shown once", Args: arguments,
		Example: "  signet pin-application create --username lending\n" +
			"  signet pin-application create --username lending --mode aes-256-cbc --mode-ends 2027-01-31T00:00:00Z --pin-file pin.txt --key-file key.txt --encoding hex",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.bodyFrom(from)
			if err != nil {
				return err
			}
			for member, value := range map[string]string{"id": id, "username": username, "mode": mode, "fixed_iv": fixedIV, "mode_ends": ends} {
				b.put(member, value)
			}
			b.put("allowed_networks", networks)
			if pinFile == "-" && key.file == "-" {
				return usage("only one of --pin-file and --key-file can come from standard input")
			}
			if err := a.secretFrom(b, "pin", pinFile); err != nil {
				return err
			}
			if err := a.keyIn(b, "key", &key); err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.make(cmd.Context(), c, http.MethodPost, r.path, b, pinLines(),
					func(f fields) string { return "signet try pin --help, or signet pin-application show " + f.text("id") })
			})
		}}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "file with the application as JSON, - for stdin; flags go over it")
	flags.StringVar(&id, "id", "", "id; a UUID is made when it is left out")
	flags.StringVar(&username, "username", "", "the application's user name")
	flags.StringVar(&mode, "mode", "", "pin-v2 (default), aes-256-gcm; for existing callers aes-128-cbc, aes-256-cbc, aes-128-ecb, aes-256-ecb")
	flags.StringVar(&fixedIV, "fixed-iv", "", "constant IV of a CBC caller, hex")
	flags.StringVar(&ends, "mode-ends", "", "end of a mode for existing callers, RFC 3339")
	flags.StringSliceVar(&networks, "network", nil, "network (CIDR) that may log in; all when left out; repeat for more")
	flags.StringVar(&pinFile, "pin-file", "", "file that holds the PIN on one line, - for stdin; made when left out")
	key.add(cmd, "AES key")
	return cmd
}

func (a *app) pinSet(r *register) *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "set-pin ID", Short: "Set another PIN and end what was issued under the one of before", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			b := body{}
			if err := a.secretFrom(b, "pin", file); err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.make(cmd.Context(), c, http.MethodPut, r.at(args[0], "pin"), b, pinLines(),
					func(fields) string { return "signet try pin --help" })
			})
		}}
	cmd.Flags().StringVar(&file, "pin-file", "", "file that holds the PIN on one line, - for stdin; made and shown once when left out")
	return cmd
}
