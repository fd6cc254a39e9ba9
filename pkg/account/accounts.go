package account

import (
	"errors"
	"net/http"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// maxRecords bounds the accounts of a person, the members and the keys of an account: lists are answered whole.
const maxRecords = 1000

func tooManyRecords() error {
	return conflict("too_many_records", "There are too many of them already.", nil)
}

func accountName(name *string) error {
	if name == nil || !plainName(*name) {
		return badRequest("name", "The name must have 1 to 100 printable characters.")
	}
	return nil
}

// createAccount makes an account that its creator owns. Any person may have one individual account; an org needs
// accounts:create in some account.
func (a *Account) createAccount(c *call) error {
	var in struct {
		Name *string `json:"name"`
		Type *string `json:"type"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if err := accountName(in.Name); err != nil {
		return err
	}
	switch {
	case in.Type == nil || *in.Type != signet.AccountOrg && *in.Type != signet.AccountIndividual:
		return badRequest("type", "The type must be org or individual.")
	case *in.Type == signet.AccountIndividual && c.by.UserID == "":
		return forbidden("not_a_person", "Only a person can have an individual account.")
	case *in.Type == signet.AccountOrg && !a.anywhere(c.by, accountsNew):
		return forbidden("permission_missing", "The caller's role does not have the permission "+accountsNew+".")
	case len(c.by.Members) >= maxRecords:
		return tooManyRecords()
	}
	now := a.o.Now()
	account := &signet.Account{ID: signet.NewUUID(), Name: *in.Name, Type: *in.Type, Instance: signet.NewUUID(),
		CreatedAt: now, CreatedBy: actor(c.by), UpdatedAt: now, UpdatedBy: actor(c.by), Version: 1}
	var owner *signet.Membership
	if c.by.UserID != "" {
		owner = &signet.Membership{AccountID: account.ID, UserID: c.by.UserID, Role: RoleOwner, AcceptedAt: &now, CreatedAt: now, CreatedBy: actor(c.by)}
	}
	if err := a.o.Accounts.InsertAccount(c.ctx(), account, owner, a.event(c, signet.EventAccountCreated, "account:"+account.ID)); err != nil {
		if errors.Is(err, signet.ErrConflict) && account.Type == signet.AccountIndividual {
			return conflict("individual_exists", "The user has an individual account.", err)
		}
		return err
	}
	c.w.Header().Set("Location", c.r.URL.Path+"/"+account.ID)
	writeVersioned(c, http.StatusCreated, account.Version, viewAccount(account))
	return nil
}

func (a *Account) getAccount(c *call) error {
	account, err := a.o.Accounts.Account(c.ctx(), c.account)
	if err != nil {
		return err
	}
	writeVersioned(c, http.StatusOK, account.Version, viewAccount(account))
	return nil
}

// putAccount changes the name; the type and everything else stay.
func (a *Account) putAccount(c *call) error {
	want, err := expected(c.r)
	if err != nil {
		return err
	}
	var in struct {
		Name *string `json:"name"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if err := accountName(in.Name); err != nil {
		return err
	}
	shared, err := a.o.Accounts.Account(c.ctx(), c.account)
	if err != nil {
		return err
	}
	if want != 0 && want != shared.Version {
		return stale("if_match_stale")
	}
	account := *shared
	if account.Name != *in.Name {
		account.Name, account.UpdatedAt, account.UpdatedBy = *in.Name, a.o.Now(), actor(c.by)
		if err := a.o.Accounts.UpdateAccount(c.ctx(), &account, a.event(c, signet.EventAccountUpdated, "account:"+account.ID)); err != nil {
			return overtaken(want, err)
		}
	}
	writeVersioned(c, http.StatusOK, account.Version, viewAccount(&account))
	return nil
}

// overtaken is a write that another one overtook: 412 for whoever named a version, 409 for the others.
func overtaken(want int64, err error) error {
	if want != 0 && errors.Is(err, signet.ErrConflict) {
		return &signet.Error{Code: codeStale, Reason: "changed_meanwhile", Cause: err}
	}
	return err
}

// listMemberships answers the accounts of the caller: those of a person, or the one of an API key.
func (a *Account) listMemberships(c *call) error {
	views := make([]membershipView, 0, len(c.by.Members)+1)
	if c.by.Key != nil {
		account, err := a.o.Accounts.Account(c.ctx(), c.by.Key.AccountID)
		if err != nil {
			return err
		}
		views = append(views, membershipView{account.ID, account.Name, account.Type, c.by.Key.Role})
	}
	for i := range c.by.Members {
		m := &c.by.Members[i]
		views = append(views, membershipView{m.AccountID, m.AccountName, m.AccountType, m.Role})
	}
	web.WriteJSON(c.w, http.StatusOK, views)
	return nil
}

// checkPermission answers whether the caller may do something on resources of an account: resource servers ask with
// the credential that their caller sent.
func (a *Account) checkPermission(c *call) error {
	var in struct {
		Permission *string `json:"permission"`
		AccountID  *string `json:"accountId"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.Permission == nil || *in.Permission == "" {
		return badRequest("permission", "The permission is missing.")
	}
	if in.AccountID == nil || *in.AccountID == "" {
		return badRequest("account_id", "The accountId is missing.")
	}
	var view permissionView
	if v := a.verdict(c.by, *in.Permission, *in.AccountID); v.allowed {
		view = permissionView{Allowed: true, Role: &v.role, Because: &v.because}
	}
	web.WriteJSON(c.w, http.StatusOK, view)
	return nil
}
