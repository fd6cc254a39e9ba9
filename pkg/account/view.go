package account

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// accountView is an account on the wire (wire.md, 1).
type accountView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
	trailView
}

// trailView is what every record ends with.
type trailView struct {
	CreatedAt  string `json:"createdAt"`
	CreatedBy  string `json:"createdBy"`
	ModifiedAt string `json:"modifiedAt"`
	ModifiedBy string `json:"modifiedBy"`
	Version    string `json:"version"`
}

func viewAccount(account *signet.Account) accountView {
	return accountView{ID: account.ID, Name: account.Name, Type: account.Type, trailView: trailView{
		CreatedAt: timestamp(account.CreatedAt), CreatedBy: subject(account.CreatedBy),
		ModifiedAt: timestamp(account.UpdatedAt), ModifiedBy: subject(account.UpdatedBy), Version: version(account.Version),
	}}
}

// membershipView is one account of the caller.
type membershipView struct {
	AccountID   string `json:"accountId"`
	AccountName string `json:"accountName"`
	AccountType string `json:"accountType"`
	Role        string `json:"role"`
}

// memberView is a member. Pending is there only until the person accepted: until then the role counts for nothing.
type memberView struct {
	UserID  signet.UserID `json:"userId"`
	Role    string        `json:"role"`
	Pending bool          `json:"pending,omitempty"`
}

func viewMember(m *signet.Membership) memberView {
	return memberView{UserID: m.UserID, Role: m.Role, Pending: m.AcceptedAt == nil}
}

// keyView is an API key on the wire. The secret is in the answer that makes it and in no other.
type keyView struct {
	Name      string `json:"name"`
	Role      string `json:"role"`
	Enabled   bool   `json:"enabled"`
	AccountID string `json:"accountId"`
	trailView
	Secret string `json:"secret,omitempty"`
}

func viewKey(key *signet.APIKey, secret signet.Secret) keyView {
	return keyView{Name: key.Name, Role: key.Role, Enabled: key.Enabled, AccountID: key.AccountID, trailView: trailView{
		CreatedAt: timestamp(key.CreatedAt), CreatedBy: subject(key.CreatedBy),
		ModifiedAt: timestamp(key.UpdatedAt), ModifiedBy: subject(key.UpdatedBy), Version: version(key.Version),
	}, Secret: secret.Reveal()}
}

// permissionView answers a check; role and because are null when it is not allowed.
type permissionView struct {
	Allowed bool    `json:"allowed"`
	Role    *string `json:"role"`
	Because *string `json:"because"`
}

// timestamp is RFC 3339 with milliseconds, UTC.
func timestamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// subject writes who did it as tokens name them: a person's sub has no prefix.
func subject(by string) string { return strings.TrimPrefix(by, "user:") }

func version(n int64) string { return strconv.FormatInt(n, 10) }

// writeVersioned answers with a record and its version as an entity tag (RFC 9110 §8.8.3).
func writeVersioned(c *call, status int, n int64, view any) {
	c.w.Header().Set("ETag", `"`+version(n)+`"`)
	web.WriteJSON(c.w, status, view)
}

func stale(reason string) error { return &signet.Error{Code: codeStale, Reason: reason} }

// expected reads If-Match: the version that the caller has read, quoted as an entity tag or bare as it stands in the
// body; 0 when nothing is expected. What is neither can match no version (RFC 9110 §13.1.1).
func expected(r *http.Request) (int64, error) {
	values := r.Header.Values("If-Match")
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "*":
		return 0, nil
	case len(values) > 1:
		return 0, badRequest("if_match_repeated", "Send If-Match once.")
	}
	text := values[0]
	if inner, ok := strings.CutPrefix(text, `"`); ok {
		if text, ok = strings.CutSuffix(inner, `"`); !ok {
			return 0, stale("if_match_malformed")
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || version(n) != text {
		return 0, stale("if_match_malformed")
	}
	return n, nil
}

// decode reads one JSON object into target, strictly.
func decode(r *http.Request, target any) error {
	form := web.JSONBody{Max: 16 << 10}
	body, err := form.Read(r)
	if err != nil {
		return err
	}
	return form.Decode(body, target)
}

const maxName = 100

// plainName accepts 1 to 100 printable characters without space at the ends.
func plainName(name string) bool {
	if name == "" || utf8.RuneCountInString(name) > maxName || strings.TrimSpace(name) != name {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// pathName accepts a name that can stand as one segment of a path: the name of a key does.
func pathName(name string) bool {
	return plainName(name) && name != "." && name != ".." && !strings.ContainsAny(name, `/\`)
}
