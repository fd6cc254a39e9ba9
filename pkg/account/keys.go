package account

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// createKey makes an API key and shows its secret this once. A key made by a key is never freer than its maker: it
// inherits networks and end, and may itself make none.
func (a *Account) createKey(c *call) error {
	var in struct {
		Name *string `json:"name"`
		Role *string `json:"role"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.Name == nil || !pathName(*in.Name) {
		return badRequest("name", "The name must have 1 to 100 printable characters, no slash and no backslash.")
	}
	if err := a.grantable(c, in.Role); err != nil {
		return err
	}
	there, err := a.o.Keys.ListAPIKeys(c.ctx(), c.account)
	if err != nil {
		return err
	}
	if len(there) >= maxRecords {
		return tooManyRecords()
	}
	secret, now := signet.NewSecret(signet.SecretAPIKey), a.o.Now()
	key := &signet.APIKey{ID: signet.NewUUID(), AccountID: c.account, Name: *in.Name, Role: *in.Role, Enabled: true,
		Hash: a.o.HashKeys().Hash(secret.Reveal()), CreatedAt: now, CreatedBy: actor(c.by), UpdatedAt: now, UpdatedBy: actor(c.by), Version: 1}
	if maker := c.by.Key; maker != nil {
		key.AllowedNetworks, key.ExpiresAt = slices.Clone(maker.AllowedNetworks), maker.ExpiresAt
	}
	ev := a.event(c, signet.EventAPIKeyCreated, "api_key:"+key.ID)
	if err := a.o.Keys.InsertAPIKey(c.ctx(), key, ev); err != nil {
		if errors.Is(err, signet.ErrConflict) {
			return conflict("key_name_taken", "The account has an API key of that name.", err)
		}
		return err
	}
	c.w.Header().Set("Location", c.r.URL.EscapedPath()+"/"+url.PathEscape(key.Name))
	writeVersioned(c, http.StatusCreated, key.Version, viewKey(key, secret))
	return nil
}

func (a *Account) listKeys(c *call) error {
	keys, err := a.o.Keys.ListAPIKeys(c.ctx(), c.account)
	if err != nil {
		return err
	}
	views := make([]keyView, 0, len(keys))
	for i := range keys {
		views = append(views, viewKey(&keys[i], ""))
	}
	web.WriteJSON(c.w, http.StatusOK, views)
	return nil
}

// putKey enables or disables a key; disabling takes effect on every node within a second. Enabling gives the key's role
// anew, and so needs what creating needs.
func (a *Account) putKey(c *call) error {
	want, err := expected(c.r)
	if err != nil {
		return err
	}
	var in struct {
		Enabled *bool `json:"enabled"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.Enabled == nil {
		return badRequest("enabled", "The member enabled is missing.")
	}
	for range maxOvertaken {
		err = a.enableKey(c, want, *in.Enabled)
		// Without If-Match the last write wins, so that one which was overtaken is made again.
		if want != 0 || !errors.Is(err, signet.ErrConflict) {
			break
		}
	}
	return overtaken(want, err)
}

// maxOvertaken is how often a write without If-Match is tried.
const maxOvertaken = 3

func (a *Account) enableKey(c *call, want int64, enabled bool) error {
	stored, err := a.o.Keys.APIKey(c.ctx(), c.account, c.r.PathValue("name"))
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return signet.NewError(signet.CodeNotFound, "There is no such API key.", "key_unknown")
	case err != nil:
		return err
	case want != 0 && want != stored.Version:
		return stale("if_match_stale")
	case enabled && !stored.Enabled && !manages(c.by):
		return forbidden("key_may_not_manage", "This API key may not create or enable keys.")
	case enabled && !stored.Enabled && !a.mayGrant(c.role, stored.Role):
		return forbidden("role_not_grantable", "The caller's role may not give that key's role.")
	}
	key := *stored
	if key.Enabled != enabled {
		key.Enabled, key.UpdatedAt, key.UpdatedBy = enabled, a.o.Now(), actor(c.by)
		ev := a.event(c, signet.EventAPIKeyUpdated, "api_key:"+key.ID)
		ev.Reason = "disabled"
		if enabled {
			ev.Reason = "enabled"
		}
		if err := a.o.Keys.UpdateAPIKey(c.ctx(), &key, ev); err != nil {
			return err
		}
	}
	writeVersioned(c, http.StatusOK, key.Version, viewKey(&key, ""))
	return nil
}
