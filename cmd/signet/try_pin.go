package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/pinlogin"
	"github.com/signet-auth/signet/pkg/signet"
)

// pinFlags are an application's credentials.
type pinFlags struct {
	target
	username, mode, pinFile, keyFile, keyEncoding string
	path                                          string
	refresh                                       bool
}

func (a *app) tryPIN() *cobra.Command {
	var f pinFlags
	cmd := &cobra.Command{Use: "pin", Short: "Log an application in with an encrypted PIN (document 003)", Args: arguments,
		Example: "  signet try pin --card card.json\n  signet try pin --card card.json --username lending-legacy --refresh\n" +
			"  signet try pin --server https://signet.example --username lending --mode pin-v2 --pin-file pin.txt --key-file key.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.flow(&f.target, func(t *trial) error { return a.runPIN(cmd.Context(), t, &f) }, "signet try apikey --help")
		}}
	f.target.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.username, "username", "", "user name of the application; the card's first when it is left out")
	flags.StringVar(&f.mode, "mode", "", "pin-v2 (default), aes-256-gcm, aes-128-cbc, aes-256-cbc, aes-128-ecb, aes-256-ecb")
	flags.StringVar(&f.pinFile, "pin-file", "", "file that holds the PIN on one line, - for stdin")
	flags.StringVar(&f.keyFile, "key-file", "", "file that holds the AES key on one line")
	flags.StringVar(&f.keyEncoding, "encoding", "hex", "how that key is written: hex, base64 or raw")
	flags.StringVar(&f.path, "path", "/auth", "where to log in: /auth or /token")
	flags.BoolVar(&f.refresh, "refresh", false, "use the refresh token as well")
	return cmd
}

func (a *app) runPIN(ctx context.Context, t *trial, f *pinFlags) error {
	pin, key, err := f.credentials(a)
	if err != nil {
		return err
	}
	now := time.Now()
	password, err := pinlogin.Encrypt(f.mode, key, f.username, pin, now)
	if err != nil {
		return usage("%s", err)
	}
	t.showPIN(f, pin, password, now)
	body, err := json.Marshal(map[string]string{"username": f.username, "password": password})
	if err != nil {
		return err
	}
	got, err := t.send(ctx, "The encrypted PIN is the password.", http.MethodPost, f.path, jsonMedia, string(body), nil)
	if err != nil || got.status >= 300 {
		return err
	}
	if err := t.showToken(ctx, "The access token", got.member("data", "access_token"), ""); err != nil {
		return err
	}
	if !f.refresh {
		return nil
	}
	if body, err = json.Marshal(map[string]string{"refreshToken": got.member("data", "refreshToken")}); err != nil {
		return err
	}
	_, err = t.send(ctx, "Each refresh token is used once: the answer has the next.", http.MethodPost, f.path+"/refresh", jsonMedia, string(body), nil)
	return err
}

// credentials takes what the flags give, and the rest from the card.
func (f *pinFlags) credentials(a *app) (pin string, key []byte, err error) {
	var known cardPINApplication
	if f.cardFile != "" {
		known, err = oneOf(f.cardOf().PINApplications, f.username, func(p cardPINApplication) bool { return p.Username == f.username })
		if err != nil {
			return "", nil, err
		}
	}
	f.username, f.mode = cmp.Or(f.username, known.Username), cmp.Or(f.mode, known.Mode, signet.PINv2)
	if f.username == "" {
		return "", nil, usage("--username is needed, or --card FILE of signet dev")
	}
	if pin, err = a.secretArg(f.pinFile, known.PIN, "pin-file"); err != nil {
		return "", nil, err
	}
	text, err := a.secretArg(f.keyFile, known.Key, "key-file")
	if err != nil {
		return "", nil, err
	}
	key, err = readKey(text, f.keyEncoding)
	return pin, key, err
}

// showPIN shows what was encrypted and how the result is laid out.
func (t *trial) showPIN(f *pinFlags, pin, password string, now time.Time) {
	raw, _ := base64.StdEncoding.DecodeString(password)
	plain, why := pin, ""
	const nonce, tag, block = 12, 16, 16
	switch f.mode {
	case signet.PINv2:
		plain = formatUnix(now) + "|" + pin
		why = "pin-v2: AES-256-GCM. The time stands before the PIN and the user name is bound in as additional data, so that nobody can use it later or for another application."
	case signet.PINGCM:
		why = "aes-256-gcm: the nonce is accepted once for as long as the key lives."
	case signet.PINCBC128, signet.PINCBC256:
		why = "CBC without authentication, for existing callers only: the IV stands first, the PIN is padded (PKCS #7). Move to pin-v2."
	default:
		why = "ECB, the last resort for existing callers: the same PIN gives the same password every time. Move to pin-v2."
	}
	s := t.step("What is encrypted", why).add("plaintext", "%s", plain)
	if f.mode == signet.PINv2 {
		s.add("bound in", "%s", f.username)
	}
	out := t.step("The password", "base64 of these parts, one after the other.")
	switch {
	case (f.mode == signet.PINv2 || f.mode == signet.PINGCM) && len(raw) > nonce+tag:
		out.add("nonce", "%x", raw[:nonce]).add("ciphertext", "%x", raw[nonce:len(raw)-tag]).add("tag", "%x", raw[len(raw)-tag:])
	case (f.mode == signet.PINCBC128 || f.mode == signet.PINCBC256) && len(raw) > block:
		out.add("iv", "%x", raw[:block]).add("ciphertext", "%x", raw[block:])
	default:
		out.add("ciphertext", "%x", raw)
	}
	out.add("password", "%s", password)
}

func formatUnix(at time.Time) string {
	text, _ := json.Marshal(at.Unix()) // a whole number always encodes
	return string(text)
}

// readKey turns the text of a key into bytes.
func readKey(text, encoding string) ([]byte, error) {
	var key []byte
	var err error
	switch encoding {
	case "hex":
		key, err = hex.DecodeString(text)
	case "base64":
		key, err = base64.StdEncoding.DecodeString(text)
	case "raw":
		key = []byte(text)
	default:
		return nil, usage("--encoding must be hex, base64 or raw")
	}
	if err != nil {
		return nil, usage("the key is not written as --encoding says")
	}
	return key, nil
}
