package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// roleOwner is the role of whom an account must never be without.
const roleOwner = "account-owner"

type accountInput struct {
	ID       string                 `json:"id"`
	Name     string                 `json:"name"`
	Type     string                 `json:"type"`
	Instance string                 `json:"instance"`
	Settings signet.AccountSettings `json:"settings"`
	// Owner is the user who becomes account-owner, accepted at once: the operator vouches.
	Owner signet.UserID `json:"owner"`
}

// accountReplace takes back what a GET gave.
type accountReplace struct {
	ID         string                 `json:"id"`
	Name       string                 `json:"name"`
	Type       string                 `json:"type"`
	Instance   string                 `json:"instance"`
	Settings   signet.AccountSettings `json:"settings"`
	IntentKeys json.RawMessage        `json:"intent_keys"`
	Disabled   json.RawMessage        `json:"disabled"`
	CreatedAt  json.RawMessage        `json:"created_at"`
	CreatedBy  json.RawMessage        `json:"created_by"`
	UpdatedAt  json.RawMessage        `json:"updated_at"`
	UpdatedBy  json.RawMessage        `json:"updated_by"`
	Version    json.RawMessage        `json:"version"`
}

type accountView struct {
	ID         string                 `json:"id"`
	Name       string                 `json:"name"`
	Type       string                 `json:"type"`
	Instance   string                 `json:"instance"`
	Settings   signet.AccountSettings `json:"settings"`
	IntentKeys []sealedKeyView        `json:"intent_keys"`
	Disabled   bool                   `json:"disabled"`
	CreatedAt  time.Time              `json:"created_at"`
	CreatedBy  string                 `json:"created_by"`
	UpdatedAt  time.Time              `json:"updated_at"`
	UpdatedBy  string                 `json:"updated_by"`
	Version    int64                  `json:"version"`
}

func viewAccount(a *signet.Account) accountView {
	return accountView{a.ID, a.Name, a.Type, a.Instance, a.Settings, viewSealedKeys(a.Keys), a.Disabled(), a.CreatedAt, a.CreatedBy,
		a.UpdatedAt, a.UpdatedBy, a.Version}
}

func (a *Admin) accounts() *record[signet.Account] {
	return &record[signet.Account]{
		noun: "account",
		find: func(c *call) (*signet.Account, error) {
			id, err := named(c, "account", guids)
			if err != nil {
				return nil, err
			}
			return a.o.Contracts.Accounts.Account(c.ctx(), id)
		},
		version: func(account *signet.Account) int64 { return account.Version },
		view:    func(account *signet.Account) any { return viewAccount(account) },
		event: func(c *call, kind signet.EventKind, account *signet.Account) signet.Event {
			return a.event(c, kind, accountTarget(account.ID))
		},
		disable: func(ctx context.Context, account *signet.Account, disabled bool, event signet.Event) error {
			return a.o.Contracts.Accounts.SetAccountDisabled(ctx, account.ID, disabled, event)
		},
		disabled: signet.EventAccountDisabled, enabled: signet.EventAccountEnabled,
	}
}

func (a *Admin) listAccounts(c *call) error {
	return writePage(a, c, "accounts", a.o.Contracts.Accounts.ListAccounts,
		func(account *signet.Account) (accountView, string) { return viewAccount(account), account.ID })
}

func accountTarget(id string) string { return signet.OwnerAccount + id }

func (a *Admin) createAccount(c *call) error {
	var in accountInput
	if err := decode(c.r, &in); err != nil {
		return err
	}
	in.ID, in.Instance = strings.ToLower(in.ID), strings.ToLower(in.Instance)
	if in.ID == "" {
		in.ID = signet.NewUUID()
	}
	if in.Instance == "" {
		in.Instance = signet.NewUUID()
	}
	var j faults
	j.need(guids.MatchString(in.ID), "id", "must be a UUID")
	j.need(guids.MatchString(in.Instance), "instance", "must be a GUID")
	j.need(in.Type == signet.AccountOrg || in.Type == signet.AccountIndividual, "type", "must be org or individual")
	j.need(in.Type != signet.AccountIndividual || in.Owner != "", "owner", "is needed for an individual's account")
	j.account(in.Name, &in.Settings)
	if err := j.refuse("account"); err != nil {
		return err
	}
	now := a.o.Now()
	account := &signet.Account{ID: in.ID, Name: in.Name, Type: in.Type, Instance: in.Instance, Settings: in.Settings,
		CreatedAt: now, CreatedBy: c.by.Actor, UpdatedAt: now, UpdatedBy: c.by.Actor, Version: 1}
	var owner *signet.Membership
	if in.Owner != "" {
		if err := a.person(c, in.Owner); err != nil {
			return missing(err, "owner", "There is no such user.")
		}
		owner = &signet.Membership{AccountID: account.ID, UserID: in.Owner, Role: roleOwner, AcceptedAt: &now, CreatedAt: now, CreatedBy: c.by.Actor}
	}
	event := a.event(c, signet.EventAccountCreated, accountTarget(account.ID))
	event.UserID = in.Owner
	if err := a.o.Contracts.Accounts.InsertAccount(c.ctx(), account, owner, event); err != nil {
		return taken("id or instance", err)
	}
	c.w.Header().Set("Location", "/admin/v1/accounts/"+account.ID)
	a.accounts().write(c, http.StatusCreated, account)
	return nil
}

// person checks that a user is there and is no PIN application. Error: CodeNotFound.
func (a *Admin) person(c *call, id signet.UserID) error {
	if !subs.MatchString(string(id)) {
		return signet.ErrNotFound
	}
	_, err := a.o.Users.User(c.ctx(), id)
	return err
}

// putAccount changes name and settings; what callers know the account by stays.
func (a *Admin) putAccount(c *call) error {
	accounts := a.accounts()
	return replace(c, accounts, a.o.Contracts.Accounts.UpdateAccount, func(account *signet.Account, in *accountReplace) (signet.Event, error) {
		if err := errors.Join(unchanged("id", in.ID, account.ID), unchanged("type", in.Type, account.Type),
			unchanged("instance", in.Instance, account.Instance)); err != nil {
			return signet.Event{}, err
		}
		var j faults
		j.account(in.Name, &in.Settings)
		if err := j.refuse("account"); err != nil {
			return signet.Event{}, err
		}
		account.Name, account.Settings, account.UpdatedAt, account.UpdatedBy = in.Name, in.Settings, a.o.Now(), c.by.Actor
		return accounts.event(c, signet.EventAccountUpdated, account), nil
	})
}

// The bounds of an account's record.
const (
	maxMethods        = 50
	maxMethodsBytes   = 16 << 10
	maxIntentLifetime = signet.Seconds(86400)
	leastIntentKey    = 32 // RFC 7518 §3.2: a key for HS256 has at least 256 bits
)

func (j *faults) account(name string, s *signet.AccountSettings) {
	j.need(name != "" && textOK(name, 200), "name", "must have 1 to 200 characters, none of them invisible")
	j.need(s.IntentAlg == "" || s.IntentAlg == "HS256" || s.IntentAlg == signet.AlgES256, "settings.intent_alg", "must be HS256 or ES256")
	j.need(s.IntentLifetime >= 0 && s.IntentLifetime <= maxIntentLifetime, "settings.intent_lifetime", "must be 0 to 86400 seconds")
	if string(s.SupportedPaymentMethods) == "null" {
		s.SupportedPaymentMethods = nil
	}
	if s.SupportedPaymentMethods != nil && !paymentMethodsOK(s.SupportedPaymentMethods) {
		j.need(false, "settings.supported_payment_methods", "must be at most 50 objects of type, src and attributes (null, or objects of key and value), 16 KiB in all")
	}
}

// paymentMethodsOK judges the list that intents carry as it is (wire.md, 4).
func paymentMethodsOK(raw json.RawMessage) bool {
	if len(raw) > maxMethodsBytes {
		return false
	}
	var methods []map[string]json.RawMessage
	if json.Unmarshal(raw, &methods) != nil || len(methods) > maxMethods {
		return false
	}
	for _, members := range methods {
		if !paymentMethodOK(members) {
			return false
		}
	}
	return true
}

// paymentMethodOK: {type, src, attributes}, no more and no less.
func paymentMethodOK(members map[string]json.RawMessage) bool {
	var kind, src *string
	var attributes []map[string]*string
	raw, named := members["attributes"]
	if len(members) != 3 || !named || json.Unmarshal(raw, &attributes) != nil {
		return false
	}
	if json.Unmarshal(members["type"], &kind) != nil || json.Unmarshal(members["src"], &src) != nil || kind == nil || src == nil {
		return false
	}
	for _, pair := range attributes {
		if len(pair) != 2 || pair["key"] == nil || pair["value"] == nil {
			return false
		}
	}
	return *kind != ""
}

// rotateIntentKey adds an HS256 key: the newest signs, the older ones verify until they end, a day later unless overlap
// says otherwise.
func (a *Admin) rotateIntentKey(c *call) error {
	account, err := a.accounts().load(c)
	if err != nil {
		return err
	}
	var in struct {
		Secret   signet.Secret   `json:"secret"`
		Encoding string          `json:"key_encoding"`
		KeyID    signet.KeyID    `json:"kid"`
		Overlap  *signet.Seconds `json:"overlap"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	key, err := secretBytes{in.Secret, in.Encoding, in.KeyID}.material("secret", leastIntentKey, leastIntentKey)
	if err != nil {
		return err
	}
	if in.Overlap == nil {
		day := signet.Seconds(overlap / time.Second)
		in.Overlap = &day
	}
	sealed := a.seal(accountTarget(account.ID), signet.KeyIntent, "HS256", key)
	if err := a.addKey(c, &sealed, account.Keys, in.Overlap); err != nil {
		return err
	}
	stored, err := a.accounts().find(c)
	if err != nil {
		return err
	}
	writeKeyAdded(c, key, stored.Keys)
	return nil
}

func (a *Admin) endIntentKey(c *call) error {
	account, err := a.accounts().load(c)
	if err != nil {
		return err
	}
	return a.endKey(c, accountTarget(account.ID), account.Keys)
}
