package admin

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

type memberView struct {
	UserID     signet.UserID `json:"user_id"`
	Role       string        `json:"role"`
	Accepted   bool          `json:"accepted"`
	AcceptedAt *time.Time    `json:"accepted_at,omitempty"`
	CreatedAt  time.Time     `json:"created_at"`
	CreatedBy  string        `json:"created_by"`
}

func viewMember(m *signet.Membership) memberView {
	return memberView{m.UserID, m.Role, m.AcceptedAt != nil, m.AcceptedAt, m.CreatedAt, m.CreatedBy}
}

func (a *Admin) listMembers(c *call) error {
	account, err := a.accounts().load(c)
	if err != nil {
		return err
	}
	members, err := a.o.Contracts.Members.Members(c.ctx(), account.ID)
	if err != nil {
		return err
	}
	writeAll(c, "members", members, viewMember)
	return nil
}

// role refuses what the table of roles does not know: it would give nothing, silently.
func (a *Admin) role(role string) error {
	roles := a.o.Contracts.Roles()
	if slices.Contains(roles, role) {
		return nil
	}
	return badRequest("role", "The role must be one of %s.", strings.Join(roles, ", "))
}

// putMember makes a user a member, or gives a member another role. accepted true counts it at once, by the operator's
// word; otherwise the user accepts at /account. What was accepted stays accepted: the store keeps it in the act itself,
// since a member who leaves while we look would come back accepted by what we had read.
func (a *Admin) putMember(c *call) error {
	account, err := a.accounts().load(c)
	if err != nil {
		return err
	}
	user := signet.UserID(c.r.PathValue("sub"))
	if err := a.person(c, user); err != nil {
		return noSuch("user", err)
	}
	var in struct {
		Role     string `json:"role"`
		Accepted bool   `json:"accepted"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if err := a.role(in.Role); err != nil {
		return err
	}
	now := a.o.Now()
	member := &signet.Membership{AccountID: account.ID, UserID: user, Role: in.Role, CreatedAt: now, CreatedBy: c.by.Actor}
	if in.Accepted {
		member.AcceptedAt = &now
	}
	event := a.event(c, signet.EventMemberAdded, accountTarget(account.ID))
	event.UserID = user
	if err := a.o.Contracts.Members.PutMembership(c.ctx(), member, event); err != nil {
		return lastOwner(err)
	}
	web.WriteJSON(c.w, http.StatusOK, viewMember(member))
	return nil
}

// deleteMember takes the user out; tokens that carry the membership are taken back.
func (a *Admin) deleteMember(c *call) error {
	account, err := a.accounts().load(c)
	if err != nil {
		return err
	}
	user := signet.UserID(c.r.PathValue("sub"))
	if !subs.MatchString(string(user)) {
		return noSuch("member", signet.ErrNotFound)
	}
	if err := empty(c.r); err != nil {
		return err
	}
	event := a.event(c, signet.EventMemberRemoved, accountTarget(account.ID))
	event.UserID = user
	if err := a.o.Contracts.Members.EndMembership(c.ctx(), account.ID, user, event); err != nil {
		return noSuch("member", lastOwner(err))
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// lastOwner says what a conflict of memberships is.
func lastOwner(err error) error {
	if signet.CodeOf(err) != signet.CodeConflict {
		return err
	}
	return &signet.Error{Code: signet.CodeConflict, Message: "The account would be left without an owner.", Reason: "last_owner", Cause: err}
}
