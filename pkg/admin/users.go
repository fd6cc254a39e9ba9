package admin

import (
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

func writeUser(c *call, status int, user *signet.User) {
	c.w.Header().Set("ETag", etag(user.Version))
	web.WriteJSON(c.w, status, viewUser(user))
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
	page, err := a.page(c.r, "users")
	if err != nil {
		return err
	}
	users, err := a.o.Users.ListUsers(c.ctx(), page.After, page.Limit)
	if err != nil {
		return err
	}
	views, last := make([]userView, 0, len(users)), ""
	for i := range users {
		views = append(views, viewUser(&users[i]))
		last = string(users[i].ID)
	}
	writeList(c, "users", views, a.nextPage("users", page, len(users), last))
	return nil
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
	event := a.event(c, signet.EventUserCreated, "user:"+string(user.ID))
	event.UserID = user.ID
	if err := a.o.Users.InsertUser(c.ctx(), user, event); err != nil {
		return err
	}
	c.w.Header().Set("Location", "/admin/v1/users/"+string(user.ID))
	writeUser(c, http.StatusCreated, user)
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

func (a *Admin) user(c *call) (*signet.User, error) {
	if err := noQuery(c.r); err != nil {
		return nil, err
	}
	sub := c.r.PathValue("sub")
	if !subs.MatchString(sub) {
		return nil, signet.ErrNotFound
	}
	found, err := a.o.Users.User(c.ctx(), signet.UserID(sub))
	if err != nil {
		return nil, err
	}
	own := *found
	return &own, nil
}

func (a *Admin) getUser(c *call) error {
	user, err := a.user(c)
	if err != nil {
		return err
	}
	writeUser(c, http.StatusOK, user)
	return nil
}

func (a *Admin) putUser(c *call) error {
	user, err := a.user(c)
	if err != nil {
		return err
	}
	if err := matchVersion(c.r, user.Version); err != nil {
		return err
	}
	var in userReplace
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.Sub != "" && in.Sub != user.ID {
		return badRequest("sub", "The sub cannot be changed.")
	}
	if err := profileProblems(in.Username, &in.Profile); err != nil {
		return err
	}
	user.Username, user.Profile, user.UpdatedAt = in.Username, in.Profile, a.o.Now()
	event := a.event(c, signet.EventUserUpdated, "user:"+string(user.ID))
	event.UserID = user.ID
	if err := a.o.Users.UpdateUser(c.ctx(), user, event); err != nil {
		return err
	}
	return a.writeStored(c, user.ID)
}

func (a *Admin) writeStored(c *call, id signet.UserID) error {
	stored, err := a.o.Users.User(c.ctx(), id)
	if err != nil {
		return err
	}
	writeUser(c, http.StatusOK, stored)
	return nil
}

func (a *Admin) disableUser(c *call) error {
	return a.setUserDisabled(c, true, signet.EventUserDisabled)
}

func (a *Admin) enableUser(c *call) error {
	return a.setUserDisabled(c, false, signet.EventUserEnabled)
}

// setUserDisabled: disabling ends every session and grant of the user in the same transaction.
func (a *Admin) setUserDisabled(c *call, disabled bool, kind signet.EventKind) error {
	user, err := a.user(c)
	if err != nil {
		return err
	}
	if err := empty(c.r); err != nil {
		return err
	}
	event := a.event(c, kind, "user:"+string(user.ID))
	event.UserID = user.ID
	if err := a.o.UserActs.SetUserDisabled(c.ctx(), user.ID, disabled, event); err != nil {
		return err
	}
	return a.writeStored(c, user.ID)
}

// setPassword ends every session and grant too: whoever knew the old password is out.
func (a *Admin) setPassword(c *call) error {
	user, err := a.user(c)
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
	event := a.event(c, signet.EventPasswordChanged, "user:"+string(user.ID))
	event.UserID = user.ID
	if err := a.o.UserActs.SetPassword(c.ctx(), user.ID, phc, event); err != nil {
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
	user, err := a.user(c)
	if err != nil {
		return err
	}
	client, err := a.client(c)
	if err != nil {
		return err
	}
	event := a.event(c, signet.EventConsentRevoked, "client:"+string(client.ID))
	event.UserID, event.ClientID = user.ID, client.ID
	if err := a.o.UserActs.RevokeConsent(c.ctx(), user.ID, client.ID, event); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
