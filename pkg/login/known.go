package login

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	purposeKnown = "known-browser"
	// knownFor is as long as browsers keep a cookie.
	knownFor = 400 * 24 * time.Hour
	// knownNames bounds the cookie: four people, as each has an id and three names at most. The oldest goes first.
	knownNames = 16
)

// known is what a browser remembers of who has logged in at it: sealed, so that only a login can write it. Names are
// hashed because even an opened cookie need not say who they are.
type known struct {
	Browser string   `json:"b"`
	Names   []string `json:"n"` // hashes of login names and user ids
	Since   int64    `json:"t"` // Unix seconds of the last login
}

// normalName is a login name as it is looked up and counted: letter case and outer spaces make no other name.
func normalName(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

func knownName(name string) string { return knownHash("known-name", normalName(name)) }

func knownUser(id signet.UserID) string { return knownHash("known-user", string(id)) }

func knownHash(kind, text string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// has reports whether somebody has logged in here under the name.
func (k *known) has(name string) bool { return k != nil && slices.Contains(k.Names, knownName(name)) }

// hasUser reports whether the user has logged in here, under whatever name.
func (k *known) hasUser(id signet.UserID) bool {
	return k != nil && slices.Contains(k.Names, knownUser(id))
}

// knownOf opens the cookie, nil when there is none worth anything.
func (l *Login) knownOf(r *http.Request) *known {
	sealed := l.cookie(r, cookieKnown)
	if sealed == "" {
		return nil
	}
	plain, err := l.Sealer.Open(purposeKnown, sealed)
	if err != nil {
		return nil
	}
	var k known
	if err := json.Unmarshal(plain, &k); err != nil || k.Browser == "" {
		return nil
	}
	since := time.Unix(k.Since, 0)
	if now := l.now(); now.After(since.Add(knownFor)) || since.After(now.Add(time.Minute)) {
		return nil
	}
	return &k
}

// remember notes after a login that this browser is the user's: by the user's id, under the user name, under the name that
// was typed and found this user, and under the e-mail address when that finds this user too, so that whichever of them
// strangers use up, the owner gets in here by any. The address in the profile is not taken on trust: it may be another's
// login name, and a browser that is known for a name passes the limits that strangers share. Failing to remember is no
// failure of the login.
func (l *Login) remember(w http.ResponseWriter, r *http.Request, user *signet.User, typed string) {
	k := l.knownOf(r)
	if k == nil {
		k = &known{Browser: signet.NewID()}
	}
	k.Since = l.now().Unix()
	k.add(knownUser(user.ID), knownName(user.Username), knownName(typed))
	if email := user.Profile.Email; email != "" && !k.has(email) {
		if found, err := l.Records.UserByLogin(r.Context(), normalName(email)); err == nil && found.ID == user.ID {
			k.add(knownName(email))
		}
	}
	plain, err := json.Marshal(k)
	if err != nil {
		return
	}
	sealed, err := l.Sealer.Seal(purposeKnown, plain)
	if err != nil {
		l.Log.ErrorContext(r.Context(), "known-browser cookie not sealed", "error", err)
		return
	}
	l.setCookie(w, cookieKnown, sealed, knownFor)
}

// add puts hashes last, which are those that stay longest.
func (k *known) add(hashes ...string) {
	for _, hash := range hashes {
		k.Names = append(slices.DeleteFunc(k.Names, func(n string) bool { return n == hash }), hash)
	}
	if extra := len(k.Names) - knownNames; extra > 0 {
		k.Names = k.Names[extra:]
	}
}
