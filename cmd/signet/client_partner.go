package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/signet"
)

// preset is what partners of document 004 are registered with (wire.md, 2); what is there already stays.
func preset(m *signet.ClientMetadata) {
	m.Partner, m.TokenType, m.AccessTokenLifetime = true, "bearer", 1800
	m.AssertionAudience, m.AssertionMaxLifetime = "token_endpoint", 3600
	m.AssertionError, m.TokenResponseJTI = "document", "assertion"
	if m.TokenEndpointAuthMethod == "" {
		m.TokenEndpointAuthMethod = signet.AuthPrivateKeyJWT
	}
	if m.JWKSURI != "" && m.TokenEndpointAuthAlg == "" {
		m.TokenEndpointAuthAlg = signet.AlgRS256
	}
}

// showKeys names the keys of a hosted set: partners write the kid into their assertions.
func (a *app) showKeys(set json.RawMessage) {
	var keys struct {
		Keys []struct {
			KID string `json:"kid"`
			Use string `json:"use"`
		} `json:"keys"`
	}
	_ = json.Unmarshal(set, &keys) // no set: nothing to show
	for _, key := range keys.Keys {
		a.say("kid (%s)      %s", visible(key.Use), visible(key.KID))
	}
}

// warn says what the server noted of a record that it took.
func (a *app) warn(warnings []string) {
	if a.json {
		return // they are in the output
	}
	for _, warning := range warnings {
		fmt.Fprintf(a.err, "signet: warning: %s\n", visible(warning))
	}
}

// nextOf is the next step after a client was written.
func nextOf(c *clientRecord) string {
	id := visible(c.ClientID)
	switch {
	case c.Partner && c.Environment == signet.EnvironmentCAT:
		return "signet client evidence " + id + " (once the partner has had a token here)"
	case c.Partner && c.Environment == signet.EnvironmentProduction && c.Activation == nil:
		return "signet client activate " + id + " --evidence FILE (from CAT)"
	default:
		return "signet client show " + id
	}
}

func (a *app) clientActivate() *cobra.Command {
	var evidence, override string
	cmd := &cobra.Command{Use: "activate CLIENT_ID", Short: "Let a partner into production", Args: arguments,
		Long: "Lets a partner with environment production get tokens: by CAT's evidence that it was served there\n" +
			"(signet client evidence, on the CAT deployment), or by your own word, which is kept with its reason.",
		Example: "  signet client activate 7c9e… --evidence evidence.jwt\n  signet client activate 7c9e… --override 'moved from the old service, contract 4711'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if (evidence == "") == (override == "") {
				return usage("give --evidence FILE or --override REASON")
			}
			in := map[string]string{"override": override}
			if evidence != "" {
				content, err := readInput(evidence, a.in)
				if err != nil {
					return err
				}
				in = map[string]string{"evidence": strings.TrimSpace(string(content))}
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				var raw json.RawMessage
				if err := c.call(cmd.Context(), http.MethodPost, "/clients/"+url.PathEscape(args[0])+"/activate", 0, in, &raw); err != nil {
					return err
				}
				if err := a.print(raw, func() { a.say("%s: active", visible(args[0])) }); err != nil {
					return err
				}
				a.next("signet client show %s", visible(args[0]))
				return nil
			})
		}}
	cmd.Flags().StringVar(&evidence, "evidence", "", "file with the evidence from CAT, - for stdin")
	cmd.Flags().StringVar(&override, "override", "", "let it in without evidence, for this reason")
	return cmd
}

func (a *app) clientEvidence() *cobra.Command {
	return &cobra.Command{Use: "evidence CLIENT_ID", Short: "Write CAT's evidence that a partner was served here", Args: arguments,
		Long:    "Runs against the CAT deployment. Writes a signed statement that the partner got a token there in the last 30 days;\nproduction believes it for 90 days after that token.",
		Example: "  signet client evidence 7c9e… > evidence.jwt",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				var raw json.RawMessage
				if err := c.call(cmd.Context(), http.MethodGet, "/clients/"+url.PathEscape(args[0])+"/evidence", 0, nil, &raw); err != nil {
					return err
				}
				record, err := readFields(raw)
				if err != nil {
					return err
				}
				// The output is the file: the next step stands beside it.
				if err := a.print(raw, func() { a.say("%s", visible(record.text("evidence"))) }); err != nil || a.json {
					return err
				}
				fmt.Fprintf(a.err, "Next: signet client activate %s --evidence FILE, on production\n", visible(args[0]))
				return nil
			})
		}}
}

func (a *app) clientRefuseKey(r *register) *cobra.Command {
	return &cobra.Command{Use: "refuse-kid CLIENT_ID KID", Short: "Refuse one key of a client from now on, whoever hosts it", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				raw, err := c.replace(cmd.Context(), r.at(args[0]), func(record fields) error {
					var refused []string
					if text, ok := record["jwks_refused_kids"]; ok {
						if err := json.Unmarshal(text, &refused); err != nil {
							return err
						}
					}
					if !slices.Contains(refused, args[1]) {
						refused = append(refused, args[1])
					}
					return record.set("jwks_refused_kids", refused)
				})
				if err != nil {
					return err
				}
				if err := a.print(raw, func() { a.say("%s: key %s verifies nothing any more", visible(args[0]), visible(args[1])) }); err != nil {
					return err
				}
				a.next("signet client show %s", visible(args[0]))
				return nil
			})
		}}
}

// readCertificates puts the PEM files behind one another, as the record keeps them.
func readCertificates(paths []string, stdin io.Reader) (string, error) {
	var out bytes.Buffer
	for _, path := range paths {
		content, err := readInput(path, stdin)
		if err != nil {
			return "", err
		}
		if bytes.Contains(content, []byte("PRIVATE KEY")) {
			// It must not leave this machine.
			return "", usage("%s holds a private key: give the certificates alone", path)
		}
		out.Write(bytes.TrimSpace(content))
		out.WriteByte('\n')
	}
	return out.String(), nil
}
