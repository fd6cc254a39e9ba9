package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func devices(account string) *register {
	return &register{group: "device", path: accounts().at(account, "devices"), member: "devices", arg: "DCN ID",
		header: []string{"DCN", "ID", "NAME", "STATE"},
		row: func(f fields) []string {
			return []string{f.text("dcn"), f.text("id"), f.text("name"), state(f.yes("disabled"))}
		}}
}

func (a *app) deviceCommand() *cobra.Command {
	cmd := group("device", "Make and look after device credentials, which make payment intents",
		a.deviceCreate(), a.deviceList(), a.deviceAct("disable", "Disable a device"), a.deviceAct("enable", "Let a disabled device act again"))
	a.targetFlags(cmd)
	return cmd
}

func (a *app) deviceCreate() *cobra.Command {
	var account, dcn, id, name, file string
	cmd := ofAccount(&cobra.Command{Use: "create", Short: "Register a device; a password that signet makes is shown once", Args: arguments,
		Example: "  signet device create --account ACCOUNT --dcn 1 --name 'Till 1'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needAccount(account); err != nil {
				return err
			}
			b := body{"dcn": dcn}
			b.put("id", id)
			b.put("name", name)
			if err := a.secretFrom(b, "password", file); err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.make(cmd.Context(), c, http.MethodPost, devices(account).path, b,
					[]line{{member: "dcn", word: "dcn"}, {member: "id", word: "device id"}, {member: "password", word: "password", once: true}},
					func(fields) string { return "signet try intent --help, or signet device list --account " + account })
			})
		}}, &account)
	cmd.Flags().StringVar(&dcn, "dcn", "", "device configuration number, needed")
	cmd.Flags().StringVar(&id, "id", "", "GUID of the device; made when left out")
	cmd.Flags().StringVar(&name, "name", "", "name that people see")
	cmd.Flags().StringVar(&file, "password-file", "", "file that holds the password on one line, - for stdin; made when left out")
	return cmd
}

func (a *app) deviceList() *cobra.Command {
	var account string
	return ofAccount(&cobra.Command{Use: "list", Short: "List the devices of an account", Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needAccount(account); err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.showWhole(cmd.Context(), c, devices(account), "signet device disable --account "+visible(account)+" DCN ID")
			})
		}}, &account)
}

func (a *app) deviceAct(act, short string) *cobra.Command {
	var account string
	return ofAccount(&cobra.Command{Use: act + " DCN ID", Short: short, Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needAccount(account); err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.act(cmd.Context(), c, devices(account).at(args[0], args[1], act), fmt.Sprintf("%s %s: %sd", args[0], args[1], act),
					"signet device list --account "+visible(account))
			})
		}}, &account)
}
