package intent

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// codeInvalidIntent is a token that is no intent of the account, codeExpiredIntent a good one whose time is over; they
// stay inside this room and are answered with 200.
const (
	codeInvalidIntent signet.Code = "invalid_intent"
	codeExpiredIntent signet.Code = "expired_intent"
)

const (
	// ahead is how far the clock of the node that made a token may be before ours.
	ahead = 10 * time.Second
	// spentMargin keeps the mark of a used token for as long as a node with a slow clock may still take it for live.
	spentMargin = time.Minute
	spentSpace  = "intent"
)

// validateRequest is the body of validate.
type validateRequest struct {
	Token *string
}

// validate is POST /payment/api/jwt/validate.
func (i *Intent) validate(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, now: i.o.Now()}
	token, v, err := i.validateToken(c)
	if err == nil {
		i.record(c, signet.EventIntentValidated, signet.OwnerAccount+v.account.ID, v.claims.Audience)
		writeEnvelope(w, http.StatusOK, validated{Payload: v.claims.payload(), Token: token, Valid: true})
		return
	}
	var status int
	var message string
	switch signet.CodeOf(err) {
	case codeInvalidIntent:
		status, message = http.StatusOK, messageInvalid
		web.Note(r.Context(), "reason", signet.ReasonOf(err))
	case codeExpiredIntent:
		status, message = http.StatusOK, messageExpired
	default:
		status, message = c.fail(err)
	}
	i.record(c, signet.EventIntentRefused, c.target(), eventReason("validate", err))
	writeEnvelope(w, status, validated{Message: &message, Token: token})
}

// validateToken is authenticate ─▶ parse ─▶ authorise ─▶ check. token is what was sent, as soon as it was read.
func (i *Intent) validateToken(c *call) (token *string, v *validation, err error) {
	if err := i.authenticate(c); err != nil {
		return nil, nil, err
	}
	// A caller that may validate every account's need not act for one.
	if c.by.accountID != "" || !c.by.any {
		if err := i.acting(c); err != nil {
			return nil, nil, err
		}
	}
	var sent validateRequest
	if err := readBody(c.r, &sent); err != nil {
		return nil, nil, err
	}
	if sent.Token == nil || *sent.Token == "" {
		return nil, nil, badRequest("Token must not be empty.", "token_empty")
	}
	v = &validation{call: c, text: *sent.Token}
	for _, check := range checks {
		if err := check.run(i, v); err != nil {
			return sent.Token, nil, err
		}
	}
	return sent.Token, v, nil
}

// validation is a token on its way through the checks.
type validation struct {
	*call
	text    string
	parsed  *compact
	account *signet.Account
	claims  claims // set once the signature was verified
}

func invalid(reason string) error { return &signet.Error{Code: codeInvalidIntent, Reason: reason} }

// checks is what a token must pass, in this order: a forged or foreign one must never be called expired, and what
// consumes comes last.
var checks = []struct {
	name string
	run  func(*Intent, *validation) error
}{
	{"form", (*Intent).checkForm},
	{"account", (*Intent).checkAccount},
	{"signature", (*Intent).checkSignature},
	{"claims", (*Intent).checkClaims},
	{"time", (*Intent).checkTime},
	{"single use", (*Intent).spend},
}

func (i *Intent) checkForm(v *validation) error {
	parsed, err := parse(v.text)
	if err != nil {
		return invalid("form")
	}
	v.parsed = parsed
	return nil
}

// checkAccount finds whose token it claims to be: the caller's account, or for those who may, any that is live. inst is
// the claim that names it, so that no account's key verifies a token that names another.
func (i *Intent) checkAccount(v *validation) error {
	instance := v.parsed.claims.Instance
	if own := v.by.account; own != nil && own.Instance == instance {
		v.account = own
		return nil
	}
	if !v.by.any {
		return invalid("foreign_account")
	}
	if !isGUID(instance) {
		return invalid("account_unknown")
	}
	account, err := i.o.Accounts.AccountByInstance(v.ctx(), instance)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return invalid("account_unknown")
	case err != nil:
		return err
	case account.Disabled():
		return invalid("account_disabled")
	}
	v.account = account
	return nil
}

// checkSignature verifies with the account's algorithm and live keys; the claims count from here on.
func (i *Intent) checkSignature(v *validation) error {
	head := &v.parsed.header
	alg := algOf(v.account)
	if head.Alg != alg {
		return invalid("wrong_algorithm")
	}
	var err error
	switch {
	case alg == algHS256 && head.Typ == typHS256 && len(head.Kid) == 0:
		err = i.verifyHS256(v)
	case alg == signet.AlgES256:
		err = i.verifyES256(v)
	default:
		err = invalid("header")
	}
	if err != nil {
		return err
	}
	v.claims = v.parsed.claims
	return nil
}

// verifyHS256 tries every live key of the account. A key that does not open is our fault and no verdict on the token,
// unless another one verifies.
func (i *Intent) verifyHS256(v *validation) error {
	var broken error
	matched := false
	for n := range v.account.Keys {
		key := &v.account.Keys[n]
		if key.Use != signet.KeyIntent || !key.Live(v.now) {
			continue
		}
		plain, err := i.o.Keys.OpenRecord(key)
		if err != nil {
			broken = signet.Internal(err)
			continue
		}
		// A short key can be guessed, an empty one is everybody's.
		if len(plain) >= minKey && hmac.Equal(mac(plain, v.parsed.input), v.parsed.signature) {
			matched = true
		}
	}
	switch {
	case matched:
		return nil
	case broken != nil:
		return broken
	default:
		return invalid("signature")
	}
}

// verifyES256 lets the ring verify: it knows its keys' states.
func (i *Intent) verifyES256(v *validation) error {
	payload, typ, _, err := i.o.Signer.Verify(v.text)
	if err != nil && signet.CodeOf(err) == signet.CodeUnavailable {
		return err
	}
	if err != nil || typ != typES256 || !bytes.Equal(payload, v.parsed.payload) {
		return invalid("signature")
	}
	return nil
}

func (i *Intent) checkClaims(v *validation) error {
	c := &v.claims
	switch {
	case c.Issuer != i.o.Issuer:
		return invalid("issuer")
	case !slices.Contains(i.o.Audiences, c.Audience):
		return invalid("audience")
	case c.Subject == "" || c.Device == "":
		return invalid("claim_missing")
	case c.IssuedAt == 0 || c.ExpiresAt <= c.IssuedAt:
		return invalid("dates")
	case int64(c.IssuedAt) > v.now.Add(ahead).Unix():
		return invalid("issued_ahead")
	case int64(c.IssuedAt) <= signet.LastSecond(v.account.NotBefore):
		// Disabling the account took it back, and enabling does not give it again.
		return invalid("account_not_before")
	}
	return nil
}

func (i *Intent) checkTime(v *validation) error {
	if v.now.Unix() >= int64(v.claims.ExpiresAt) {
		return &signet.Error{Code: codeExpiredIntent, Reason: "expired"}
	}
	return nil
}

// spend consumes the token, where the account wants that. What is marked is the part that is signed: an ES256 signature
// has a second spelling that verifies, too.
func (i *Intent) spend(v *validation) error {
	if !v.account.Settings.SingleUse {
		return nil
	}
	sum := sha256.Sum256([]byte(v.parsed.input))
	until := time.Unix(int64(v.claims.ExpiresAt), 0).UTC().Add(spentMargin)
	err := i.o.Spent.Spend(v.ctx(), spentSpace, hex.EncodeToString(sum[:]), signet.OwnerAccount+v.account.ID, &until)
	if errors.Is(err, signet.ErrUsed) {
		return invalid("used")
	}
	return err
}
