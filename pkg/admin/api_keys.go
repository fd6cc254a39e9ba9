package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// publishedKey stands in a public document (wire.md, 1): whoever reads it has it. Only a development server takes it,
// and for the one role that the document gives it.
const (
	publishedKey     = "f32c5497297084e5354b47c40d5ccacb109ce483"
	publishedKeyRole = "merchant-terminal"
)

type apiKeyInput struct {
	Name            string     `json:"name"`
	Role            string     `json:"role"`
	MayManage       bool       `json:"may_manage"`
	AllowedNetworks []string   `json:"allowed_networks"`
	ExpiresAt       *time.Time `json:"expires_at"`
}

// apiKeyReplace takes back what a GET gave; enabled is what changes, and what else an operator may correct.
type apiKeyReplace struct {
	apiKeyInput
	Enabled   *bool           `json:"enabled"`
	ID        json.RawMessage `json:"id"`
	AccountID json.RawMessage `json:"account_id"`
	Imported  json.RawMessage `json:"imported"`
	CreatedAt json.RawMessage `json:"created_at"`
	CreatedBy json.RawMessage `json:"created_by"`
	UpdatedAt json.RawMessage `json:"updated_at"`
	UpdatedBy json.RawMessage `json:"updated_by"`
	Version   json.RawMessage `json:"version"`
}

// apiKeyView is a key on the wire; secret is in the answer that makes it and in no other.
type apiKeyView struct {
	ID              string     `json:"id"`
	AccountID       string     `json:"account_id"`
	Name            string     `json:"name"`
	Role            string     `json:"role"`
	Secret          string     `json:"secret,omitempty"`
	Enabled         bool       `json:"enabled"`
	MayManage       bool       `json:"may_manage"`
	AllowedNetworks []string   `json:"allowed_networks,omitempty"`
	ExpiresAt       *time.Time `json:"expires_at,omitempty"`
	Imported        bool       `json:"imported"`
	CreatedAt       time.Time  `json:"created_at"`
	CreatedBy       string     `json:"created_by"`
	UpdatedAt       time.Time  `json:"updated_at"`
	UpdatedBy       string     `json:"updated_by"`
	Version         int64      `json:"version"`
}

func viewAPIKey(k *signet.APIKey, secret signet.Secret) apiKeyView {
	return apiKeyView{k.ID, k.AccountID, k.Name, k.Role, secret.Reveal(), k.Enabled, k.MayManage, k.AllowedNetworks, k.ExpiresAt, k.Imported,
		k.CreatedAt, k.CreatedBy, k.UpdatedAt, k.UpdatedBy, k.Version}
}

func (a *Admin) apiKeys() *record[signet.APIKey] {
	return &record[signet.APIKey]{
		noun: "API key",
		find: func(c *call) (*signet.APIKey, error) {
			account, err := a.accounts().load(c)
			if err != nil {
				return nil, err
			}
			name := c.r.PathValue("name")
			if !keyNameOK(name) {
				return nil, signet.ErrNotFound
			}
			return a.o.Contracts.APIKeys.APIKey(c.ctx(), account.ID, name)
		},
		version: func(k *signet.APIKey) int64 { return k.Version },
		view:    func(k *signet.APIKey) any { return viewAPIKey(k, "") },
		event: func(c *call, kind signet.EventKind, k *signet.APIKey) signet.Event {
			return a.event(c, kind, k.Principal())
		},
	}
}

func (a *Admin) listAPIKeys(c *call) error {
	account, err := a.accounts().load(c)
	if err != nil {
		return err
	}
	keys, err := a.o.Contracts.APIKeys.ListAPIKeys(c.ctx(), account.ID)
	if err != nil {
		return err
	}
	writeAll(c, "api_keys", keys, func(k *signet.APIKey) apiKeyView { return viewAPIKey(k, "") })
	return nil
}

func (a *Admin) createAPIKey(c *call) error {
	account, err := a.accounts().load(c)
	if err != nil {
		return err
	}
	var in apiKeyInput
	if err := decode(c.r, &in); err != nil {
		return err
	}
	secret := signet.NewSecret(signet.SecretAPIKey)
	key, err := a.insertAPIKey(c, account, &in, secret, false)
	if err != nil {
		return err
	}
	a.apiKeys().writeView(c, http.StatusCreated, key, viewAPIKey(key, secret))
	return nil
}

// importAPIKey takes a key of an old system over, so that who holds it changes nothing. It is stored hashed like every
// other; the answer does not repeat it.
func (a *Admin) importAPIKey(c *call) error {
	account, err := a.accounts().load(c)
	if err != nil {
		return err
	}
	var in struct {
		apiKeyInput
		Secret signet.Secret `json:"secret"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if err := a.importable(in.Secret, in.Role); err != nil {
		return err
	}
	key, err := a.insertAPIKey(c, account, &in.apiKeyInput, in.Secret, true)
	if err != nil {
		return err
	}
	a.apiKeys().write(c, http.StatusCreated, key)
	return nil
}

// importable: a header must be able to carry it, nobody must be able to guess it, and it must not look like one of ours.
func (a *Admin) importable(secret signet.Secret, role string) error {
	text := secret.Reveal()
	if len(text) < 16 || len(text) > 256 { // the bounds within which a foreign key is looked up (wire.md, 1)
		return badRequest("secret", "The secret must have 16 to 256 characters.")
	}
	for i := range len(text) {
		if text[i] <= 0x20 || text[i] > 0x7e {
			return badRequest("secret", "The secret must be printable ASCII without spaces.")
		}
	}
	if strings.HasPrefix(text, "sgt_") {
		return badRequest("secret", "The secret begins like one that signet makes.")
	}
	if strings.EqualFold(text, publishedKey) && (!a.o.Contracts.Dev || role != publishedKeyRole) {
		return badRequest("published_key", "This key stands in a public document: everybody has it. signet dev alone takes it, as %s.", publishedKeyRole)
	}
	return nil
}

func (a *Admin) insertAPIKey(c *call, account *signet.Account, in *apiKeyInput, secret signet.Secret, imported bool) (*signet.APIKey, error) {
	if err := a.apiKeyProblems(in); err != nil {
		return nil, err
	}
	if in.ExpiresAt != nil && !in.ExpiresAt.After(a.o.Now()) {
		return nil, badRequest("expires_at", "The expires_at has passed.")
	}
	now := a.o.Now()
	key := &signet.APIKey{ID: signet.NewID(), AccountID: account.ID, Name: in.Name, Role: in.Role, Hash: a.o.HashKeys().Hash(secret.Reveal()),
		Enabled: true, MayManage: in.MayManage, AllowedNetworks: in.AllowedNetworks, ExpiresAt: in.ExpiresAt, Imported: imported,
		CreatedAt: now, CreatedBy: c.by.Actor, UpdatedAt: now, UpdatedBy: c.by.Actor, Version: 1}
	event := a.event(c, signet.EventAPIKeyCreated, key.Principal())
	if imported {
		event.Reason = "imported"
	}
	if err := a.o.Contracts.APIKeys.InsertAPIKey(c.ctx(), key, event); err != nil {
		return nil, taken("name, or the key,", err)
	}
	return key, nil
}

func (a *Admin) apiKeyProblems(in *apiKeyInput) error {
	var j faults
	j.need(keyNameOK(in.Name), "name", "must have 1 to 200 characters, none of them invisible or a slash")
	j.networks(in.AllowedNetworks)
	if err := j.refuse("api_key"); err != nil {
		return err
	}
	return a.role(in.Role)
}

// keyNameOK: the name stands in a path.
func keyNameOK(name string) bool {
	return name != "" && name != "." && name != ".." && textOK(name, 200) && !strings.ContainsAny(name, "/\\")
}

func (j *faults) networks(networks []string) {
	j.need(len(networks) <= 100, "allowed_networks", "may hold at most 100")
	for _, network := range networks {
		prefix, err := netip.ParsePrefix(network)
		j.need(err == nil && prefix == prefix.Masked(), "allowed_networks", "must be networks in CIDR form")
	}
}

// putAPIKey enables or disables a key, and corrects what bounds it. Name and role stay: another role is another key.
// enabled may come alone; whatever else is sent makes it the whole record, for what is left out returns to its default.
func (a *Admin) putAPIKey(c *call) error {
	keys := a.apiKeys()
	return replace(c, keys, a.o.Contracts.APIKeys.UpdateAPIKey, func(key *signet.APIKey, in *apiKeyReplace) (signet.Event, error) {
		if in.Enabled == nil {
			return signet.Event{}, badRequest("enabled", "The member enabled is needed.")
		}
		if err := errors.Join(unchanged("name", in.Name, key.Name), unchanged("role", in.Role, key.Role)); err != nil {
			return signet.Event{}, err
		}
		if in.Name != "" {
			if err := a.apiKeyProblems(&in.apiKeyInput); err != nil {
				return signet.Event{}, err
			}
			key.MayManage, key.AllowedNetworks, key.ExpiresAt = in.MayManage, in.AllowedNetworks, in.ExpiresAt
		} else if in.MayManage || in.AllowedNetworks != nil || in.ExpiresAt != nil {
			// Taken without a word, a fence that was sent would not be there.
			return signet.Event{}, badRequest("name", "The name is needed where more than enabled is sent.")
		}
		key.Enabled, key.UpdatedAt, key.UpdatedBy = *in.Enabled, a.o.Now(), c.by.Actor
		event := keys.event(c, signet.EventAPIKeyUpdated, key)
		event.Reason = "enabled"
		if !key.Enabled {
			event.Reason = "disabled"
		}
		return event, nil
	})
}
