package intent

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	// maxBody leaves room for the longest token with escapes.
	maxBody = 64 << 10
	// maxSubject is in characters.
	maxSubject = 512
)

// createRequest is all that a caller may choose; every other claim is ours (RFC 8725 §3.8).
type createRequest struct {
	Audience *string
	Subject  *string
}

// create is POST /payment/api/jwt/create.
func (i *Intent) create(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, now: i.o.Now()}
	token, claims, err := i.createIntent(c)
	if err != nil {
		status, message := c.fail(err)
		i.record(c, signet.EventIntentRefused, c.target(), eventReason("create", err))
		writeEnvelope(w, status, created{Message: &message})
		return
	}
	i.record(c, signet.EventIntentCreated, c.target(), claims.Audience)
	empty := ""
	writeEnvelope(w, http.StatusOK, created{Message: &empty, Payload: claims.payload(), Token: &token})
}

// createIntent is authenticate ─▶ parse ─▶ authorise ─▶ sign.
func (i *Intent) createIntent(c *call) (token string, made *claims, err error) {
	if err := i.authenticate(c); err != nil {
		return "", nil, err
	}
	if err := i.acting(c); err != nil {
		return "", nil, err
	}
	var order createRequest
	if err := readBody(c.r, &order); err != nil {
		return "", nil, err
	}
	if err := i.checkOrder(&order); err != nil {
		return "", nil, err
	}
	account := c.by.account
	methods, err := paymentMethods(account)
	if err != nil {
		return "", nil, err
	}
	// Not in a second that disabling the account took back: it would be dead for its whole life. Nor further ahead than the
	// next disabling would reach.
	from, ok := signet.FirstSecond(c.now, account.NotBefore)
	if !ok {
		return "", nil, &signet.Error{Code: signet.CodeUnavailable, Reason: "account_not_before"}
	}
	issued := from.Unix()
	made = &claims{Issuer: i.o.Issuer, IssuedAt: date(issued), Audience: *order.Audience, Subject: *order.Subject,
		ExpiresAt: date(issued + int64(account.Settings.IntentLifetime.Or(defaultLifetime).Seconds())),
		Instance:  account.Instance, Device: c.by.device, DCN: c.by.dcn, Methods: methods}
	token, err = i.sign(c, made)
	return token, made, err
}

func readBody(r *http.Request, target any) error {
	form := web.JSONBody{Max: maxBody}
	body, err := form.Read(r)
	if err != nil {
		return err
	}
	return form.Decode(body, target)
}

// checkOrder looks at what the caller chose. Each message names the field.
func (i *Intent) checkOrder(order *createRequest) error {
	switch {
	case order.Audience == nil || *order.Audience == "":
		return badRequest("Audience must not be empty.", "audience_empty")
	case !slices.Contains(i.o.Audiences, *order.Audience):
		return badRequest("Audience must be one of: "+strings.Join(i.o.Audiences, ", ")+".", "audience_unknown")
	case order.Subject == nil || strings.TrimSpace(*order.Subject) == "":
		return badRequest("Subject must not be empty.", "subject_empty")
	case utf8.RuneCountInString(*order.Subject) > maxSubject:
		return badRequest(fmt.Sprintf("Subject is longer than %d characters.", maxSubject), "subject_length")
	case strings.ContainsFunc(*order.Subject, unicode.IsControl):
		return badRequest("Subject contains a control character.", "subject_charset")
	}
	return nil
}

// paymentMethods reads the account's setting; none is an empty list.
func paymentMethods(account *signet.Account) ([]method, error) {
	methods := []method{}
	if len(account.Settings.SupportedPaymentMethods) == 0 {
		return methods, nil
	}
	if err := json.Unmarshal(account.Settings.SupportedPaymentMethods, &methods); err != nil {
		return nil, &signet.Error{Code: signet.CodeInternal, Reason: "payment_methods", Cause: err}
	}
	if methods == nil {
		methods = []method{}
	}
	return methods, nil
}

// target names the account in events, once it is known.
func (c *call) target() string {
	if c.by.accountID == "" {
		return ""
	}
	return signet.OwnerAccount + c.by.accountID
}

// eventReason is the reason of a refusal with the endpoint before it.
func eventReason(endpoint string, err error) string {
	reason := signet.ReasonOf(err)
	if reason == "" {
		reason = string(signet.CodeOf(err))
	}
	return endpoint + "_" + reason
}
