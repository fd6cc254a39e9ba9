package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/signet"
)

// userRecord is a user as the admin API writes it.
type userRecord struct {
	Sub      string `json:"sub"`
	Username string `json:"username"`
	signet.Profile
	HasPassword bool  `json:"has_password"`
	Disabled    bool  `json:"disabled"`
	Version     int64 `json:"version"`
}

func (a *app) userCommand() *cobra.Command {
	cmd := group("user", "Register and look after people",
		a.userCreate(), a.recordList(users(), "List all users", "signet user show USERNAME"), a.userShow(), a.userUpdate(),
		a.userAct("disable", "Disable a user and end every session and token"),
		a.userAct("enable", "Let a disabled user log in again"),
		a.userPassword())
	a.targetFlags(cmd)
	return cmd
}

func (a *app) userCreate() *cobra.Command {
	var username, from, passwordFile string
	var p signet.Profile
	cmd := &cobra.Command{Use: "create", Short: "Register a user", Args: arguments,
		Example: "  signet user create --username alice --email alice@example.com --name 'Alice Example' --password-file -\n" +
			"  signet user create --from user.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]any{}
			if from != "" {
				content, err := readInput(from, a.in)
				if err != nil {
					return err
				}
				if json.Unmarshal(content, &body) != nil {
					return usage("--from is not a JSON object")
				}
			} else {
				if username == "" {
					return usage("--username is needed, as in: signet user create --username alice --email alice@example.com")
				}
				encoded, err := json.Marshal(p)
				if err != nil {
					return err
				}
				if err := json.Unmarshal(encoded, &body); err != nil {
					return err
				}
				body["username"] = username
			}
			if passwordFile != "" {
				password, err := a.readSecret("password", passwordFile)
				if err != nil {
					return err
				}
				body["password"] = password
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				var raw json.RawMessage
				if err := c.call(cmd.Context(), http.MethodPost, "/users", 0, body, &raw); err != nil {
					return err
				}
				var u userRecord
				if err := json.Unmarshal(raw, &u); err != nil {
					return err
				}
				if err := a.print(raw, func() { a.say("sub       %s\nusername  %s", visible(u.Sub), visible(u.Username)) }); err != nil {
					return err
				}
				if !u.HasPassword {
					a.next("signet user set-password %s --password-file FILE", visible(u.Username))
				} else {
					a.next("signet user list")
				}
				return nil
			})
		}}
	flags := cmd.Flags()
	flags.StringVar(&username, "username", "", "login name")
	profileFlags(cmd, &p)
	flags.StringVar(&from, "from", "", "file with the user as JSON (standard claims), - for stdin")
	flags.StringVar(&passwordFile, "password-file", "", "file that holds the password, - for stdin")
	return cmd
}

// profileFlags are the standard claims that people set most; --from takes all of them.
func profileFlags(cmd *cobra.Command, p *signet.Profile) {
	flags := cmd.Flags()
	flags.StringVar(&p.Name, "name", "", "full name")
	flags.StringVar(&p.GivenName, "given-name", "", "given name")
	flags.StringVar(&p.FamilyName, "family-name", "", "family name")
	flags.StringVar(&p.Email, "email", "", "e-mail address")
	flags.BoolVar(&p.EmailVerified, "email-verified", false, "the address was proven")
	flags.StringVar(&p.PhoneNumber, "phone-number", "", "phone number in E.164 form")
	flags.BoolVar(&p.PhoneNumberVerified, "phone-number-verified", false, "the number was proven")
}

// readSecret takes one line from a file or standard input; what says which secret it is. There is no flag for the secret
// itself: the arguments of a process can be read by everyone on the machine.
func (a *app) readSecret(what, path string) (string, error) {
	if terminal, ok := a.in.(*os.File); ok && path == "-" {
		if info, err := terminal.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			fmt.Fprintf(a.err, "Type the %s, then Enter and Ctrl-D:\n", what)
		}
	}
	content, err := readInput(path, a.in)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case secret == "" && path == "-":
		return "", usage("no %s came by standard input: pipe it in, or name a file", what)
	case secret == "":
		return "", usage("%s holds no %s", path, what)
	case strings.ContainsAny(secret, "\r\n"):
		return "", usage("the %s must be one line", what)
	}
	return secret, nil
}

func users() *register {
	return &register{group: "user", path: "/users", member: "users", arg: "USERNAME|SUB",
		header: []string{"SUB", "USERNAME", "NAME", "E-MAIL", "STATE"},
		row: func(f fields) []string {
			return []string{f.text("sub"), f.text("username"), f.text("name"), f.text("email"), state(f.yes("disabled"))}
		}}
}

func (a *app) userShow() *cobra.Command {
	return &cobra.Command{Use: "show USERNAME|SUB", Short: "Show one user", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				sub, err := findUser(cmd, c, args[0])
				if err != nil {
					return err
				}
				return a.get(cmd.Context(), c, "/users/"+sub, "signet user update %[1]s, or signet user disable %[1]s", args[0])
			})
		}}
}

func (a *app) userAct(act, short string) *cobra.Command {
	return &cobra.Command{Use: act + " USERNAME|SUB", Short: short, Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				sub, err := findUser(cmd, c, args[0])
				if err != nil {
					return err
				}
				return a.act(cmd.Context(), c, "/users/"+sub+"/"+act, args[0]+": "+act+"d", "signet user show "+visible(args[0]))
			})
		}}
}

func (a *app) userPassword() *cobra.Command {
	var passwordFile string
	cmd := &cobra.Command{Use: "set-password USERNAME|SUB", Short: "Set a password and end every session and token", Args: arguments,
		Example: "  signet user set-password alice --password-file FILE\n  generate | signet user set-password alice",
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := a.readSecret("password", passwordFile)
			if err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				sub, err := findUser(cmd, c, args[0])
				if err != nil {
					return err
				}
				if err := c.call(cmd.Context(), http.MethodPut, "/users/"+sub+"/password", 0, map[string]string{"password": password}, nil); err != nil {
					return err
				}
				if err := a.print(map[string]string{"sub": sub}, func() { a.say("%s: password set, every session ended", visible(args[0])) }); err != nil {
					return err
				}
				a.next("signet user list")
				return nil
			})
		}}
	cmd.Flags().StringVar(&passwordFile, "password-file", "-", "file that holds the password, - for stdin")
	return cmd
}

var uuids = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// findUser turns a login name or e-mail address into a sub.
func findUser(cmd *cobra.Command, c *api, name string) (string, error) {
	if uuids.MatchString(name) {
		return name, nil
	}
	var found struct{ Users []userRecord }
	if err := c.call(cmd.Context(), http.MethodGet, "/users?username="+url.QueryEscape(name), 0, nil, &found); err != nil {
		return "", err
	}
	if len(found.Users) != 1 {
		return "", signet.NewError(signet.CodeNotFound, "no user has that login name, and not exactly one that e-mail address: signet user list shows all", "user_unknown")
	}
	return found.Users[0].Sub, nil
}
