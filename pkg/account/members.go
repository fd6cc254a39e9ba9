package account

import (
	"errors"
	"net/http"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const lastOwner = "An account keeps at least one accepted owner."

func (a *Account) listMembers(c *call) error {
	members, err := a.o.Members.Members(c.ctx(), c.account)
	if err != nil {
		return err
	}
	views := make([]memberView, 0, len(members))
	for i := range members {
		views = append(views, viewMember(&members[i]))
	}
	web.WriteJSON(c.w, http.StatusOK, views)
	return nil
}

// grantable refuses a role that there is not, or that the caller's role may not give.
func (a *Account) grantable(c *call, role *string) error {
	if role == nil {
		return badRequest("role", "The role is missing.")
	}
	if _, known := a.o.Roles[*role]; !known {
		return badRequest("role", "The role is unknown.")
	}
	if !a.mayGrant(c.role, *role) {
		return forbidden("role_not_grantable", "The caller's role may not give that role.")
	}
	return nil
}

// putMember adds a member, pending until the person accepts, or changes a member's role. Whoever changes or ends a
// membership must be able to give its role: else a lesser role could unseat a greater one.
func (a *Account) putMember(c *call) error {
	var in struct {
		UserID *signet.UserID `json:"userId"`
		Role   *string        `json:"role"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.UserID == nil || *in.UserID == "" {
		return badRequest("user_id", "The userId is missing.")
	}
	if err := a.grantable(c, in.Role); err != nil {
		return err
	}
	if err := a.person(c, *in.UserID); err != nil {
		return err
	}
	members, err := a.o.Members.Members(c.ctx(), c.account)
	if err != nil {
		return err
	}
	member := &signet.Membership{AccountID: c.account, UserID: *in.UserID, Role: *in.Role, CreatedAt: a.o.Now(), CreatedBy: actor(c.by)}
	ev := a.event(c, signet.EventMemberAdded, membershipTarget(c.account, member.UserID))
	status := http.StatusCreated
	if there := memberOf(members, *in.UserID); there != nil {
		if !a.mayGrant(c.role, there.Role) {
			return forbidden("role_not_grantable", "The caller's role may not change that member.")
		}
		if status, ev.Reason = http.StatusOK, "role_changed"; there.Role == *in.Role {
			web.WriteJSON(c.w, status, viewMember(there))
			return nil
		}
	} else if len(members) >= maxRecords {
		return tooManyRecords()
	}
	// AcceptedAt is never ours to give: the store keeps what the person has accepted, in the same statement.
	if err := a.o.Members.PutMembership(c.ctx(), member, ev); err != nil {
		if errors.Is(err, signet.ErrConflict) {
			return conflict("last_owner", lastOwner, err)
		}
		return err
	}
	web.WriteJSON(c.w, status, viewMember(member))
	return nil
}

// person refuses whom no account can have as a member.
func (a *Account) person(c *call, id signet.UserID) error {
	_, err := a.o.Users.User(c.ctx(), id)
	if errors.Is(err, signet.ErrNotFound) || err == nil && id.Application() {
		return badRequest("user_unknown", "The userId is unknown.")
	}
	return err
}

func memberOf(members []signet.Membership, user signet.UserID) *signet.Membership {
	for i := range members {
		if members[i].UserID == user {
			return &members[i]
		}
	}
	return nil
}

func membershipTarget(account string, user signet.UserID) string {
	return "membership:" + account + "/" + string(user)
}

// endMember ends a membership, or takes an invitation back; the last owner stays.
func (a *Account) endMember(c *call) error {
	user := signet.UserID(c.r.PathValue("userId"))
	members, err := a.o.Members.Members(c.ctx(), c.account)
	if err != nil {
		return err
	}
	there := memberOf(members, user)
	if there == nil {
		return signet.NewError(signet.CodeNotFound, "There is no such member.", "member_unknown")
	}
	if !a.mayGrant(c.role, there.Role) {
		return forbidden("role_not_grantable", "The caller's role may not remove that member.")
	}
	if err := a.o.Members.EndMembership(c.ctx(), c.account, user, a.event(c, signet.EventMemberRemoved, membershipTarget(c.account, user))); err != nil {
		if errors.Is(err, signet.ErrConflict) {
			return conflict("last_owner", lastOwner, err)
		}
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
