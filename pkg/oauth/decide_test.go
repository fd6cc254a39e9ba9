package oauth

import (
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// The clock of the table: the session began at noon, the flow an hour later, and it is ten seconds into the flow.
var (
	noon      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	flowBegan = noon.Add(time.Hour)
	flowNow   = flowBegan.Add(10 * time.Second)
)

// settled is a request that needs nothing: live session, known user, everything allowed long ago.
func settled() *facts {
	return &facts{
		Scope: signet.Scope{"openid", "email"}, CreatedAt: flowBegan, Now: flowNow,
		Session: &signet.Session{ID: "s", UserID: "alice", AuthTime: noon, IdleExpiresAt: noon.Add(12 * time.Hour), ExpiresAt: noon.Add(24 * time.Hour)},
		User:    &signet.User{ID: "alice"},
		Consent: &signet.Consent{UserID: "alice", Scope: signet.Scope{"email", "openid", "profile"}, GrantedAt: noon, ConfirmedAt: noon},
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	age := func(d time.Duration) *time.Duration { return &d }
	ended := noon
	login := func(f *facts, at time.Time) { f.Session.AuthTime = at }
	issue, toLogin, toConsent := outcome{Step: stepIssue}, outcome{Step: stepLogin}, outcome{Step: stepConsent}
	deny := func(code signet.Code) outcome { return outcome{Step: stepDeny, Code: code} }
	cases := []struct {
		name   string
		change func(f *facts)
		want   outcome
		// none is the outcome of the same facts with prompt=none.
		none outcome
	}{
		{"settled", func(*facts) {}, issue, issue},
		{"nobody is logged in", func(f *facts) { f.Session = nil }, toLogin, deny(codeLoginRequired)},
		{"session idle too long", func(f *facts) { f.Session.IdleExpiresAt = flowNow }, toLogin, deny(codeLoginRequired)},
		{"session over", func(f *facts) { f.Session.ExpiresAt = flowNow }, toLogin, deny(codeLoginRequired)},
		{"session ended", func(f *facts) { f.Session.EndedAt = &ended }, toLogin, deny(codeLoginRequired)},
		{"user gone", func(f *facts) { f.User = nil }, toLogin, deny(codeLoginRequired)},
		{"user disabled", func(f *facts) { f.User.DisabledAt = &ended }, toLogin, deny(codeLoginRequired)},
		{"another user's record", func(f *facts) { f.User.ID = "bob" }, toLogin, deny(codeLoginRequired)},
		{"authentication taken back", func(f *facts) { f.User.NotBefore = noon }, toLogin, deny(codeLoginRequired)},
		{"authentication after what was taken back", func(f *facts) { f.User.NotBefore = noon.Add(-time.Microsecond) }, issue, issue},
		{"password changed since", func(f *facts) { f.User.PasswordChangedAt = noon.Add(time.Minute) }, toLogin, deny(codeLoginRequired)},
		{"the person said no", func(f *facts) { f.Denied = true }, deny(signet.CodeAccessDenied), deny(signet.CodeAccessDenied)},
		{"no counts without a session too", func(f *facts) { f.Denied, f.Session = true, nil }, deny(signet.CodeAccessDenied), deny(signet.CodeAccessDenied)},

		{"OID-04 max_age=0 with an old session", func(f *facts) { f.MaxAge = age(0) }, toLogin, deny(codeLoginRequired)},
		{"OID-04 max_age=0 with a session of this very second", func(f *facts) {
			f.MaxAge = age(0)
			f.Now = f.CreatedAt
			login(f, f.CreatedAt)
		}, toLogin, deny(codeLoginRequired)},
		{"OID-04 max_age=0 after a login in this flow", func(f *facts) { f.MaxAge = age(0); login(f, flowBegan.Add(time.Microsecond)) }, issue, issue},
		{"OID-04 max_age=1 with a session of two seconds", func(f *facts) { f.MaxAge = age(time.Second); login(f, flowBegan.Add(-2*time.Second)) }, toLogin, deny(codeLoginRequired)},
		{"max_age=1, logged in in this flow, consent took longer", func(f *facts) { f.MaxAge = age(time.Second); login(f, flowBegan.Add(time.Second)) }, issue, issue},
		{"max_age not reached", func(f *facts) { f.MaxAge = age(2 * time.Hour) }, issue, issue},
		{"max_age reached exactly", func(f *facts) { f.MaxAge = age(time.Hour + 10*time.Second) }, issue, issue},
		// The client sees auth_time 12:00:00 and counts one second more than we would from 12:00:00.9.
		{"max_age counts from the second that the client sees", func(f *facts) {
			f.MaxAge = age(time.Hour + 9500*time.Millisecond)
			login(f, noon.Add(900*time.Millisecond))
		}, toLogin, deny(codeLoginRequired)},

		{"id_token_hint of another user", func(f *facts) { f.Subjects = []signet.UserID{"bob"} }, toLogin, deny(codeLoginRequired)},
		{"id_token_hint of this user", func(f *facts) { f.Subjects = []signet.UserID{"carol", "alice"} }, issue, issue},
		// Asking for bob again and again would be a loop without an end.
		{"asked for bob, came back as alice", func(f *facts) { f.Subjects = []signet.UserID{"bob"}; login(f, flowNow) }, deny(codeLoginRequired), deny(codeLoginRequired)},

		{"no consent yet", func(f *facts) { f.Consent = nil }, toConsent, deny(codeConsentRequired)},
		{"more scope than allowed", func(f *facts) { f.Scope = append(f.Scope, "address") }, toConsent, deny(codeConsentRequired)},
		{"first party needs no consent", func(f *facts) { f.Consent, f.FirstParty = nil, true }, issue, issue},
		{"login before consent", func(f *facts) { f.Session, f.Consent = nil, nil }, toLogin, deny(codeLoginRequired)},

		{"RFC 8252 8.6 unproven client, session and consent of before", func(f *facts) { f.Unproven = true }, toConsent, deny(codeInteractionRequired)},
		{"unproven first party", func(f *facts) { f.Unproven, f.FirstParty, f.Consent = true, true, nil }, toConsent, deny(codeInteractionRequired)},
		{"unproven, clicked in this flow", func(f *facts) { f.Unproven = true; f.Consent.ConfirmedAt = flowNow }, issue, deny(codeInteractionRequired)},
		{"unproven, clicked at the flow's own instant", func(f *facts) { f.Unproven = true; f.Consent.ConfirmedAt = flowBegan }, toConsent, deny(codeInteractionRequired)},
		{"unproven, logged in in this flow", func(f *facts) { f.Unproven = true; login(f, flowNow) }, issue, deny(codeInteractionRequired)},
		{"unproven, logged in in this flow, nothing allowed yet", func(f *facts) { f.Unproven, f.Consent = true, nil; login(f, flowNow) }, toConsent, deny(codeConsentRequired)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for value, want := range map[prompt]outcome{0: c.want, promptNone: c.none} {
				f := settled()
				c.change(f)
				f.Prompt = value
				got := decide(f)
				if got.Step != want.Step || got.Code != want.Code {
					t.Errorf("prompt %d: %+v, want %+v", value, got, want)
				}
				if (got.Reason == "") != (got.Step == stepIssue) {
					t.Errorf("prompt %d: reason %q", value, got.Reason)
				}
			}
		})
	}
}

// TestDecidePrompts: each prompt asks for its page until the page was used in this flow, and then no more.
func TestDecidePrompts(t *testing.T) {
	t.Parallel()
	during := flowBegan.Add(3 * time.Second)
	cases := []struct {
		name      string
		prompt    prompt
		auth      time.Time
		confirmed time.Time
		firstTime bool // first-party client
		want      step
	}{
		{"login", promptLogin, noon, noon, false, stepLogin},
		{"login, at the same instant as the flow", promptLogin, flowBegan, noon, false, stepLogin},
		{"login, done", promptLogin, during, noon, false, stepIssue},
		{"select_account", promptSelectAccount, noon, noon, false, stepLogin},
		{"select_account, done", promptSelectAccount, during, noon, false, stepIssue},
		{"consent", promptConsent, noon, noon, false, stepConsent},
		{"consent, only logged in", promptConsent, during, noon, false, stepConsent},
		{"consent, done", promptConsent, noon, during, false, stepIssue},
		{"consent of a first-party client", promptConsent, noon, noon, true, stepConsent},
		{"consent of a first-party client, done", promptConsent, noon, during, true, stepIssue},
		{"login consent", promptLogin | promptConsent, noon, noon, false, stepLogin},
		{"login consent, logged in", promptLogin | promptConsent, during, noon, false, stepConsent},
		{"login consent, both done", promptLogin | promptConsent, during, during, false, stepIssue},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := settled()
			f.Prompt, f.FirstParty = c.prompt, c.firstTime
			f.Session.AuthTime, f.Consent.ConfirmedAt = c.auth, c.confirmed
			if got := decide(f); got.Step != c.want {
				t.Errorf("%+v, want step %d", got, c.want)
			}
		})
	}
}

func TestParsePrompt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]prompt{
		"": 0, "none": promptNone, "login": promptLogin, "consent login": promptLogin | promptConsent, "select_account": promptSelectAccount,
		"login  consent": promptLogin | promptConsent, "none none": promptNone,
	} {
		if got, err := parsePrompt(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	// OID-02
	for _, text := range []string{"none login", "login none", "LOGIN", "None", "unknown", "login unknown", "create", "login\tconsent", "none,login"} {
		if got, err := parsePrompt(text); signet.CodeOf(err) != signet.CodeInvalidRequest {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}
