package oauth

import (
	"slices"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// step is what GET /authorize does next.
type step int

const (
	stepLogin   step = iota + 1 // 303 to /login
	stepConsent                 // 303 to /consent
	stepDeny                    // answer the client with an error
	stepIssue                   // answer the client with a code
)

// outcome is a decision. Code is set for stepDeny alone; Reason says why, snake_case, for the event line.
type outcome struct {
	Step   step
	Code   signet.Code
	Reason string
}

// facts is everything that a decision may depend on. Times keep the precision of the store (microseconds).
type facts struct {
	// The request.
	Prompt prompt
	MaxAge *time.Duration // max_age, or the client's default_max_age; nil: none
	Scope  signet.Scope
	// Subjects are the users that may be answered for (id_token_hint, sub values in claims); nil: anyone.
	Subjects []signet.UserID
	// CreatedAt is when this browser's flow began. "In this flow" means after it.
	CreatedAt time.Time
	// Denied: the person said no on the consent page of this flow.
	Denied bool
	// The client.
	FirstParty bool
	Unproven   bool // identityUnproven
	// The person.
	Session *signet.Session // nil: nobody is logged in
	User    *signet.User    // nil: no such user any more
	Consent *signet.Consent // nil: never allowed anything
	Now     time.Time
}

// decide is the whole policy of the authorization endpoint (design.md, decision 9). It is pure: login and consent
// change stored state and come back, and every return is decided afresh.
//
//	denied ─▶ login? ─▶ wrong person? ─▶ consent? ─▶ click? ─▶ issue
//
// With prompt=none each question that would need a page is an error instead (OIDC Core §3.1.2.6).
func decide(f *facts) outcome {
	if f.Denied {
		return outcome{stepDeny, signet.CodeAccessDenied, "denied_by_user"}
	}
	if reason := loginReason(f); reason != "" {
		return ask(f, stepLogin, codeLoginRequired, reason)
	}
	if f.Subjects != nil && !slices.Contains(f.Subjects, f.Session.UserID) {
		if inFlow(f, f.Session.AuthTime) {
			// The person was asked in this flow and came back as somebody else. Asking again would never end; the answer for
			// another person is an error (OIDC Core §3.1.2.1 id_token_hint, §5.5.1 sub).
			return outcome{stepDeny, codeLoginRequired, "another_user"}
		}
		return ask(f, stepLogin, codeLoginRequired, "another_user")
	}
	if reason := consentReason(f); reason != "" {
		return ask(f, stepConsent, codeConsentRequired, reason)
	}
	// RFC 8252 §8.6: whoever started this may not be the client it says. A click is: Allow or Continue on the consent
	// page, or a login on the page that named this client, in this flow. Both prove that a person saw the name just now,
	// which is all that can be had; an SSO session alone proves nothing, so prompt=none can never succeed.
	if f.Unproven && (f.Prompt.has(promptNone) || !inFlow(f, f.Session.AuthTime) && !confirmed(f)) {
		return ask(f, stepConsent, codeInteractionRequired, "client_unproven")
	}
	return outcome{Step: stepIssue}
}

// ask shows a page, or answers code where pages are forbidden.
func ask(f *facts, page step, code signet.Code, reason string) outcome {
	if f.Prompt.has(promptNone) {
		return outcome{stepDeny, code, reason}
	}
	return outcome{Step: page, Reason: reason}
}

// loginReason says why the person has to authenticate, "" when not.
func loginReason(f *facts) string {
	switch {
	case f.Session == nil || !f.Session.Live(f.Now):
		return "no_session"
	case f.User == nil || f.User.ID != f.Session.UserID:
		return "no_user"
	}
	// Disabled, or an authentication that was taken back since: a new password ends what rests on the old one.
	if reason := userFault(f.User, f.Session.AuthTime); reason != "" {
		return reason
	}
	if inFlow(f, f.Session.AuthTime) {
		// An authentication in this flow satisfies prompt=login, select_account and every max_age, 0 included: OIDC Core
		// §3.1.2.1 asks for an active authentication, and it just happened. However long the consent page took after it,
		// asking again could go on for ever.
		return ""
	}
	switch {
	case f.Prompt.has(promptLogin):
		return "prompt_login"
	case f.Prompt.has(promptSelectAccount):
		return "prompt_select_account"
	case f.MaxAge != nil && f.Now.Sub(f.Session.AuthTime.Truncate(time.Second)) > *f.MaxAge:
		// Measured from the whole second that the client will see as auth_time, so that its own check agrees.
		return "max_age"
	case f.MaxAge != nil && *f.MaxAge == 0:
		// max_age=0 means prompt=login (OIDC Core §3.1.2.1), also within the second in which the session began.
		return "max_age"
	}
	return ""
}

// consentReason says why the person has to be asked, "" when not. First-party clients are asked only when they want it.
func consentReason(f *facts) string {
	switch {
	case f.Prompt.has(promptConsent) && !confirmed(f):
		return "prompt_consent"
	case f.FirstParty:
		return ""
	case f.Consent == nil:
		return "no_consent"
	case !f.Scope.Within(f.Consent.Scope):
		return "scope_not_allowed"
	}
	return ""
}

// confirmed reports a click on the consent page in this flow.
func confirmed(f *facts) bool { return f.Consent != nil && inFlow(f, f.Consent.ConfirmedAt) }

// inFlow reports whether at lies after the flow began. Stores keep microseconds and so does Flow.CreatedAt: the same
// instant counts as before, because a session of that instant began without having seen this request.
func inFlow(f *facts, at time.Time) bool { return at.After(f.CreatedAt) }
