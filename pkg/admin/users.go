package admin

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// userInput is the body of a create: the login name, standard claims (OIDC Core §5.1), and a password or none.
type userInput struct {
	Username string `json:"username"`
	signet.Profile
	Password signet.Secret `json:"password"`
}

// userReplace takes back what a GET gave.
type userReplace struct {
	Sub      signet.UserID `json:"sub"`
	Username string        `json:"username"`
	signet.Profile
	HasPassword any `json:"has_password"`
	Disabled    any `json:"disabled"`
	CreatedAt   any `json:"created_at"`
	UpdatedAt   any `json:"updated_at"`
	Version     any `json:"version"`
}

type userView struct {
	Sub      signet.UserID `json:"sub"`
	Username string        `json:"username"`
	signet.Profile
	HasPassword bool      `json:"has_password"`
	Disabled    bool      `json:"disabled"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	Version     int64     `json:"version"`
}

func viewUser(u *signet.User) userView {
	return userView{Sub: u.ID, Username: u.Username, Profile: u.Profile, HasPassword: u.PasswordHash != "",
		Disabled: u.Disabled(), CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, Version: u.Version}
}

func (a *Admin) users() *record[signet.User] {
	return &record[signet.User]{
		noun: "user",
		find: func(c *call) (*signet.User, error) {
			sub, err := named(c, "sub", subs)
			if err != nil {
				return nil, err
			}
			return a.o.Users.User(c.ctx(), signet.UserID(sub))
		},
		version: func(u *signet.User) int64 { return u.Version },
		view:    func(u *signet.User) any { return viewUser(u) },
		event:   func(c *call, kind signet.EventKind, u *signet.User) signet.Event { return a.userEvent(c, kind, u.ID) },
		// Every session and grant of the user ends in the same transaction.
		disable: func(ctx context.Context, u *signet.User, disabled bool, event signet.Event) error {
			return a.o.UserActs.SetUserDisabled(ctx, u.ID, disabled, event)
		},
		disabled: signet.EventUserDisabled, enabled: signet.EventUserEnabled,
	}
}

// userEvent starts the audit event of an act on a user.
func (a *Admin) userEvent(c *call, kind signet.EventKind, id signet.UserID) signet.Event {
	event := a.event(c, kind, "user:"+string(id))
	event.UserID = id
	return event
}

// listUsers lists, or with username finds the one user of that login name or e-mail address.
func (a *Admin) listUsers(c *call) error {
	if params := c.r.URL.Query(); params.Has("username") {
		params, err := web.Query(c.r)
		if err != nil {
			return err
		}
		if len(params) != 1 {
			return badRequest("query", "The parameter username stands alone.")
		}
		user, err := a.o.Users.UserByLogin(c.ctx(), params.Get("username"))
		if errors.Is(err, signet.ErrNotFound) {
			writeList(c, "users", []userView{}, "")
			return nil
		}
		if err != nil {
			return err
		}
		writeList(c, "users", []userView{viewUser(user)}, "")
		return nil
	}
	return writePage(a, c, "users", a.o.Users.ListUsers, func(u *signet.User) (userView, string) { return viewUser(u), string(u.ID) })
}

func (a *Admin) createUser(c *call) error {
	var in userInput
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if err := profileProblems(in.Username, &in.Profile); err != nil {
		return err
	}
	now := a.o.Now()
	user := &signet.User{ID: signet.NewUserID(), Username: in.Username, Profile: in.Profile, CreatedAt: now, UpdatedAt: now, Version: 1}
	if in.Password != "" {
		phc, err := a.hash(c, in.Password)
		if err != nil {
			return err
		}
		user.PasswordHash, user.PasswordChangedAt = phc, now
	}
	if err := a.o.Users.InsertUser(c.ctx(), user, a.userEvent(c, signet.EventUserCreated, user.ID)); err != nil {
		return taken("username", err)
	}
	c.w.Header().Set("Location", "/admin/v1/users/"+string(user.ID))
	a.users().write(c, http.StatusCreated, user)
	return nil
}

// Passwords: NIST SP 800-63B-4 §3.1.1.2 asks for length and no composition rules. The upper bound keeps hashing cheap.
const (
	minPassword = 8
	maxPassword = 256
)

func (a *Admin) hash(c *call, password signet.Secret) (string, error) {
	if n := utf8.RuneCountInString(password.Reveal()); n < minPassword || n > maxPassword || strings.ContainsRune(password.Reveal(), 0) {
		return "", badRequest("password", "The password must have %d to %d characters.", minPassword, maxPassword)
	}
	return a.o.Passwords.Hash(c.ctx(), password.Reveal())
}

var subs = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func (a *Admin) putUser(c *call) error {
	users := a.users()
	update := func(ctx context.Context, user *signet.User, event signet.Event) error {
		return taken("username", stale(a.o.Users.UpdateUser(ctx, user, event)))
	}
	return replace(c, users, update, func(user *signet.User, in *userReplace) (signet.Event, error) {
		if err := unchanged("sub", string(in.Sub), string(user.ID)); err != nil {
			return signet.Event{}, err
		}
		if err := profileProblems(in.Username, &in.Profile); err != nil {
			return signet.Event{}, err
		}
		user.Username, user.Profile, user.UpdatedAt = in.Username, in.Profile, a.o.Now()
		return users.event(c, signet.EventUserUpdated, user), nil
	})
}

// setPassword ends every session and grant too: whoever knew the old password is out.
func (a *Admin) setPassword(c *call) error {
	user, err := a.users().load(c)
	if err != nil {
		return err
	}
	var in struct {
		Password signet.Secret `json:"password"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	phc, err := a.hash(c, in.Password)
	if err != nil {
		return err
	}
	if err := a.o.UserActs.SetPassword(c.ctx(), user.ID, phc, a.userEvent(c, signet.EventPasswordChanged, user.ID)); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// revokeConsent takes back what the user allowed a client, with every grant that the user has there: 204.
func (a *Admin) revokeConsent(c *call) error {
	if err := empty(c.r); err != nil {
		return err
	}
	user, err := a.users().load(c)
	if err != nil {
		return err
	}
	client, err := a.clients().load(c)
	if err != nil {
		return err
	}
	event := a.event(c, signet.EventConsentRevoked, "client:"+string(client.ID))
	event.UserID, event.ClientID = user.ID, client.ID
	if err := a.o.UserActs.RevokeConsent(c.ctx(), user.ID, client.ID, event); err != nil {
		return noSuch("consent", err)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
