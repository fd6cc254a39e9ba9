package admin

import (
	"net/http"
	"regexp"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// adminKeyIDs are identifiers of ours; others name nothing.
var adminKeyIDs = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)

type adminKeyView struct {
	KeyID string `json:"key_id"`
	Name  string `json:"name"`
	// AdminKey is in the answer that makes it and in no other.
	AdminKey  string    `json:"admin_key,omitempty"`
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`
}

func viewAdminKey(k *AdminKey, secret signet.Secret) adminKeyView {
	return adminKeyView{k.ID, k.Name, secret.Reveal(), k.DisabledAt != nil, k.CreatedAt}
}

func (a *Admin) listAdminKeys(c *call) error {
	if err := noQuery(c.r); err != nil {
		return err
	}
	keys, err := a.o.AdminKeys.ListAdminKeys(c.ctx())
	if err != nil {
		return err
	}
	writeAll(c, "admin_keys", keys, func(k *AdminKey) adminKeyView { return viewAdminKey(k, "") })
	return nil
}

// createAdminKey makes one more key: each operator, and each program, should have its own.
func (a *Admin) createAdminKey(c *call) error {
	var in struct {
		Name string `json:"name"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.Name == "" || !textOK(in.Name, 120) {
		return badRequest("name", "The name must have 1 to 120 characters, none of them invisible.")
	}
	key := signet.NewSecret(signet.SecretAdmin)
	record := &AdminKey{ID: signet.NewID(), Name: in.Name, Hash: a.o.HashKeys().Hash(key.Reveal()), CreatedAt: a.o.Now()}
	if err := a.o.AdminKeys.InsertAdminKey(c.ctx(), record, false, a.event(c, signet.EventAdminKeyCreated, "admin_key:"+record.ID)); err != nil {
		return err
	}
	web.WriteJSON(c.w, http.StatusCreated, viewAdminKey(record, key))
	return nil
}

// disableAdminKey ends a key from the next request on: keys are looked up each time. The last one stays: nobody could
// come in by the API any more.
func (a *Admin) disableAdminKey(c *call) error {
	if err := empty(c.r); err != nil {
		return err
	}
	id := c.r.PathValue("key_id")
	if !adminKeyIDs.MatchString(id) {
		return noSuch("admin key", signet.ErrNotFound)
	}
	if err := a.o.AdminKeys.DisableAdminKey(c.ctx(), id, a.event(c, signet.EventAdminKeyDisabled, "admin_key:"+id)); err != nil {
		return noSuch("admin key", err)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
