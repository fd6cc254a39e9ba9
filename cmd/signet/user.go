package main

import (
	"encoding/json"
	"net/http"
	"net/url"
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
		a.userCreate(), a.userList(), a.userUpdate(),
		a.userAct("disable", "Disable a user and end every session and token"),
		a.userAct("enable", "Let a disabled user log in again"),
		a.userPassword())
	a.targetFlags(cmd)
	return cmd
}

func (a *app) userCreate() *cobra.Command {
	var username, from, passwordFile string
	var p signet.Profile
	cmd := &cobra.Command{Use: "create", Short: "Register a user", Args: cobra.NoArgs,
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
					return usage("--username is needed")
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
				password, err := a.readPassword(passwordFile)
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
	flags.StringVar(&p.Name, "name", "", "full name")
	flags.StringVar(&p.GivenName, "given-name", "", "given name")
	flags.StringVar(&p.FamilyName, "family-name", "", "family name")
	flags.StringVar(&p.Email, "email", "", "e-mail address")
	flags.BoolVar(&p.EmailVerified, "email-verified", false, "the address was proven")
	flags.StringVar(&p.PhoneNumber, "phone-number", "", "phone number in E.164 form")
	flags.BoolVar(&p.PhoneNumberVerified, "phone-number-verified", false, "the number was proven")
	flags.StringVar(&from, "from", "", "file with the user as JSON (standard claims), - for stdin")
	flags.StringVar(&passwordFile, "password-file", "", "file that holds the password, - for stdin")
	return cmd
}

// readPassword takes one line from a file or standard input. There is no flag for the password itself: the arguments
// of a process can be read by everyone on the machine.
func (a *app) readPassword(path string) (string, error) {
	content, err := readInput(path, a.in)
	if err != nil {
		return "", err
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if password == "" || strings.ContainsAny(password, "\r\n") {
		return "", usage("the password must be one line")
	}
	return password, nil
}

func (a *app) userList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List all users", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				records, rows := []json.RawMessage{}, [][]string{}
				err := c.all(cmd.Context(), "/users", "users", func(raw json.RawMessage) error {
					var r userRecord
					if err := json.Unmarshal(raw, &r); err != nil {
						return err
					}
					records = append(records, raw)
					rows = append(rows, []string{r.Sub, r.Username, r.Name, r.Email, state(r.Disabled)})
					return nil
				})
				if err != nil {
					return err
				}
				if err := a.print(map[string]any{"users": records}, func() {
					a.table([]string{"SUB", "USERNAME", "NAME", "E-MAIL", "STATE"}, rows)
				}); err != nil {
					return err
				}
				a.next("signet user set-password USERNAME --password-file FILE")
				return nil
			})
		}}
}

func (a *app) userAct(act, short string) *cobra.Command {
	return &cobra.Command{Use: act + " USERNAME|SUB", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				sub, err := findUser(cmd, c, args[0])
				if err != nil {
					return err
				}
				var raw json.RawMessage
				if err := c.call(cmd.Context(), http.MethodPost, "/users/"+sub+"/"+act, 0, nil, &raw); err != nil {
					return err
				}
				if err := a.print(raw, func() { a.say("%s: %sd", visible(args[0]), act) }); err != nil {
					return err
				}
				a.next("signet user list")
				return nil
			})
		}}
}

func (a *app) userPassword() *cobra.Command {
	var passwordFile string
	cmd := &cobra.Command{Use: "set-password USERNAME|SUB", Short: "Set a password and end every session and token", Args: cobra.ExactArgs(1),
		Example: "  signet user set-password alice --password-file FILE\n  generate | signet user set-password alice",
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := a.readPassword(passwordFile)
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
		return "", signet.NewError(signet.CodeNotFound, "there is no user of that name", "user_unknown")
	}
	return found.Users[0].Sub, nil
}
