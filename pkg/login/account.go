package login

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/templates"
)

const purposeAccount = "account-page"

// accountLines bounds the page: anybody with an account may invite anybody, as often as they like.
const accountLines = 100

// What a person may do with a membership.
const (
	decideAccept  = "accept"
	decideDecline = "decline"
	decideLeave   = "leave"
)

// Sentences of this page.
const (
	wordsOtherPage = "This page was made for another login. Open it again."
	wordsWithdrawn = "This invitation does not stand any more."
	wordsChanged   = "This has changed since the page was opened. Look at it again."
	wordsLastOwner = "You are the last owner. Make somebody else an owner first."
	wordsDisabled  = "This account is disabled, so its invitation cannot be accepted now."
)

// shownMembership is what a button of the page stands for. It is sealed, so that a form can only do what this person was
// shown at this browser: another account, another role or another person's form does nothing.
type shownMembership struct {
	Session signet.SessionID `json:"s"`
	User    signet.UserID    `json:"u"`
	Account string           `json:"a"`
	Role    string           `json:"r"`
	Pending bool             `json:"p"`
}

// getAccount shows a person the accounts they belong to and are invited to (wire.md, 1: a membership counts only after
// the user accepted it).
//
//  1. who is logged in  2. their memberships  3. write
//
// No flow leads here: without a login there is no client to log in for, and the page says so.
func (l *Login) getAccount(w http.ResponseWriter, r *http.Request) error {
	if _, err := read(r); err != nil {
		return err
	}
	session, user, err := l.person(r)
	if err != nil {
		return err
	}
	if session == nil {
		// 200: 401 would need a challenge that browsers know (RFC 9110 §15.5.2).
		return l.show(w, http.StatusOK, func(b io.Writer) error { return l.Pages.LoginFirst(b, templates.LoginFirstView{}) })
	}
	return l.showAccount(w, r, session, user, http.StatusOK, "", "")
}

// postAccount takes a decision about one membership.
//
//  1. from our own page, nothing but our fields  2. who is logged in  3. what the page showed to this session
//  4. it still stands as shown  5. write with the event  6. back to the page
//
// What is already so is done: a form that is sent twice does one thing.
func (l *Login) postAccount(w http.ResponseWriter, r *http.Request) error {
	form, err := read(r, "page", "decision")
	if err != nil {
		return err
	}
	session, user, err := l.person(r)
	if err != nil {
		return err
	}
	if session == nil {
		return seeOther(w, "/account")
	}
	web.Note(r.Context(), "user_id", string(user.ID))
	shown, err := l.openShown(form.Get("page"), session)
	if err != nil {
		return err
	}
	about, problem, err := l.decide(r, shown, form.Get("decision"))
	if err != nil {
		return err
	}
	if problem != "" {
		return l.showAccount(w, r, session, user, http.StatusConflict, about, problem)
	}
	return seeOther(w, "/account")
}

// openShown opens what a button stands for. Error: CodeForbidden.
func (l *Login) openShown(sealed string, session *signet.Session) (*shownMembership, error) {
	var shown shownMembership
	plain, err := l.Sealer.Open(purposeAccount, sealed)
	if err == nil {
		err = json.Unmarshal(plain, &shown)
	}
	if err != nil || shown.Session != session.ID || shown.User != session.UserID {
		return nil, signet.NewError(signet.CodeForbidden, wordsOtherPage, "account_page_of_another_session")
	}
	return &shown, nil
}

// decide does what the person chose. problem is a sentence when it was not done, about the account of that name. Errors: CodeInvalidRequest,
// CodeUnavailable.
func (l *Login) decide(r *http.Request, shown *shownMembership, decision string) (about, problem string, err error) {
	ctx := r.Context()
	asked := decision == decideLeave
	if shown.Pending {
		asked = decision == decideAccept || decision == decideDecline
	}
	if !asked {
		return "", "", signet.NewError(signet.CodeInvalidRequest, "The form was not complete.", "decision_missing")
	}
	memberships, err := l.Memberships.Memberships(signet.FromTruth(ctx), shown.User)
	if err != nil {
		return "", "", err
	}
	now := findMember(memberships, shown.Account)
	if now != nil {
		about = now.AccountName
	}
	if reason, words := stands(shown, now, decision); reason != "" {
		web.Note(ctx, "reason", reason)
		return about, words, nil
	}
	event := l.event(r, signet.EventMemberRemoved, shown.User, "")
	event.Target = "membership:" + shown.Account + "/" + string(shown.User)
	switch decision {
	case decideAccept:
		event.Kind = signet.EventMemberAccepted
		err = l.Memberships.AcceptMembership(ctx, shown.Account, shown.User, event)
	case decideDecline:
		event.Reason = "declined"
		err = l.Memberships.EndMembership(ctx, shown.Account, shown.User, event)
	default:
		event.Reason = "left"
		err = l.Memberships.EndMembership(ctx, shown.Account, shown.User, event)
	}
	switch {
	case errors.Is(err, signet.ErrConflict):
		web.Note(ctx, "reason", "last_owner")
		return about, wordsLastOwner, nil
	case errors.Is(err, signet.ErrNotFound) && decision == decideAccept:
		web.Note(ctx, "reason", "invitation_withdrawn")
		return about, wordsWithdrawn, nil
	case errors.Is(err, signet.ErrNotFound):
		return "", "", nil // gone, as asked
	}
	return "", "", err
}

// stands compares what was shown with what is now; reason is "" when the decision is still about the same thing. That it
// is gone, or accepted already, is for the store to say.
func stands(shown *shownMembership, now *signet.Member, decision string) (reason, words string) {
	if now == nil {
		return "", ""
	}
	pending := now.AcceptedAt == nil
	switch {
	case decision == decideAccept && now.Role != shown.Role, // nobody accepts what they have not seen
		decision == decideDecline && !pending,
		decision == decideLeave && pending:
		return "membership_changed", wordsChanged
	case decision == decideAccept && now.AccountDisabled:
		return "account_disabled", wordsDisabled
	}
	return "", ""
}

func findMember(memberships *signet.Memberships, account string) *signet.Member {
	i := slices.IndexFunc(memberships.Members, func(m signet.Member) bool { return m.AccountID == account })
	if i < 0 {
		return nil
	}
	return &memberships.Members[i]
}

// showAccount writes the page: the newest invitation first, then the memberships by name.
func (l *Login) showAccount(w http.ResponseWriter, r *http.Request, session *signet.Session, user *signet.User, status int, about, problem string) error {
	memberships, err := l.Memberships.Memberships(signet.FromTruth(r.Context()), user.ID)
	if err != nil {
		return err
	}
	members := slices.Clone(memberships.Members)
	slices.SortFunc(members, func(a, b signet.Member) int {
		switch {
		case a.AcceptedAt == nil && b.AcceptedAt == nil:
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.AccountID, b.AccountID))
		case a.AcceptedAt == nil:
			return -1
		case b.AcceptedAt == nil:
			return 1
		}
		return cmp.Or(cmp.Compare(a.AccountName, b.AccountName), cmp.Compare(a.AccountID, b.AccountID))
	})
	view := templates.AccountView{UserName: userName(user), Problem: problem, About: about}
	for i := range members {
		list := &view.Member
		if members[i].AcceptedAt == nil {
			list = &view.Pending
		}
		if len(*list) == accountLines {
			view.More = true
			continue
		}
		line, err := l.accountLine(session, &members[i])
		if err != nil {
			return err
		}
		*list = append(*list, line)
	}
	return l.show(w, status, func(b io.Writer) error { return l.Pages.Account(b, view) })
}

func (l *Login) accountLine(session *signet.Session, m *signet.Member) (templates.AccountLine, error) {
	plain, err := json.Marshal(shownMembership{
		Session: session.ID, User: session.UserID, Account: m.AccountID, Role: m.Role, Pending: m.AcceptedAt == nil,
	})
	if err != nil {
		return templates.AccountLine{}, signet.Internal(err)
	}
	proof, err := l.Sealer.Seal(purposeAccount, plain)
	if err != nil {
		return templates.AccountLine{}, err
	}
	line := templates.AccountLine{ID: m.AccountID, Name: m.AccountName, Type: "Organization", Role: m.Role, Disabled: m.AccountDisabled, Proof: proof}
	if m.AccountType == signet.AccountIndividual {
		line.Type = "Personal account"
	}
	return line, nil
}
