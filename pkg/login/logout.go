package login

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/templates"
)

// maxSealedLogout bounds what travels on of a logout request: sealed, in a URL of at most 8 KiB.
const maxSealedLogout = 6 << 10

// logoutParams are what is read of a logout request (RP-Initiated Logout §2). The rest is ignored.
func logoutParams() []string {
	return []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"}
}

// logoutPlan is what a logout request comes to.
type logoutPlan struct {
	client *signet.Client // named by the hint, or by client_id; nil
	proven bool           // by a hint of ours
	target string         // registered URI with the state; "" stays here
	sure   bool           // a hint of this very session, and nothing wrong: no question
	params url.Values     // the request, when nothing is wrong with it
}

// getLogout is the end session endpoint.
//
//  1. parse  2. who is logged in  3. what the request comes to  4. end, or ask  5. write
//
// A GET alone proves nothing: any site can make a browser send it. So a session ends at once only when the request
// brings an ID token of that session; everything else asks (CSR-01).
func (l *Login) getLogout(w http.ResponseWriter, r *http.Request) error {
	params, err := read(r)
	if err == nil && params.Has("flow") {
		params, err = l.carried(r, params.Get("flow"))
	}
	if err != nil {
		return err
	}
	session, err := l.Session(r)
	if err != nil {
		return err
	}
	plan, err := l.planLogout(r.Context(), params, session)
	if err != nil {
		return err
	}
	if session != nil && !plan.sure {
		return l.askLogout(w, r, session, plan)
	}
	if err := l.end(w, r, session, plan.client); err != nil {
		return err
	}
	if plan.target == "" {
		return l.showLoggedOut(w)
	}
	return seeOther(w, plan.target)
}

// postLogout is the answer of our own confirm page, or a logout request that a client posts.
//
// A client's POST comes without the session cookie (SameSite=Lax), so it is sent on as a GET before a cookie is read.
// A POST with neither our flow nor a word of who asks is nobody's (CSR-01).
func (l *Login) postLogout(w http.ResponseWriter, r *http.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	if form.Has("flow") {
		return l.confirmLogout(w, r, form)
	}
	if !form.Has("id_token_hint") && !form.Has("client_id") {
		return signet.NewError(signet.CodeForbidden, wordsSite, "logout_post_of_nobody")
	}
	sealed, err := l.Flows.SealFlow(&signet.Flow{
		ID: signet.NewID(), Purpose: signet.FlowLogout, CreatedAt: l.now(), Params: carry(form),
	})
	if err != nil {
		return err
	}
	if len(sealed) > maxSealedLogout {
		return signet.NewError(signet.CodeTooLarge, "The logout request is too large.", "logout_too_large")
	}
	return seeOther(w, "/logout?flow="+url.QueryEscape(sealed))
}

// confirmLogout ends the session that the confirm page named.
//
//  1. from our own page  2. the flow of this browser  3. still that session  4. what its request comes to now
//  5. end with the event  6. write
func (l *Login) confirmLogout(w http.ResponseWriter, r *http.Request, form url.Values) error {
	if err := ours(r); err != nil {
		return err
	}
	flow, err := l.openFlow(r, form.Get("flow"), signet.FlowLogout)
	if err != nil {
		return err
	}
	session, err := l.Session(r)
	if err != nil {
		return err
	}
	if session != nil && session.ID != flow.SessionID {
		return signet.NewError(signet.CodeForbidden, wordsPerson, "logout_of_another_session")
	}
	plan, err := l.planLogout(r.Context(), carriedBy(flow), session)
	if err != nil {
		return err
	}
	if err := l.end(w, r, session, plan.client); err != nil {
		return err
	}
	if plan.target == "" {
		return seeOther(w, "/logged-out")
	}
	return seeOther(w, plan.target)
}

// getLoggedOut says that nobody is logged in, when that is so.
func (l *Login) getLoggedOut(w http.ResponseWriter, r *http.Request) error {
	session, err := l.Session(r)
	if err != nil {
		return err
	}
	if session != nil {
		return seeOther(w, "/logout")
	}
	return l.showLoggedOut(w)
}

func (l *Login) showLoggedOut(w http.ResponseWriter) error {
	return l.show(w, http.StatusOK, func(b io.Writer) error { return l.Pages.LoggedOut(b, templates.LoggedOutView{}) })
}

// carry is what of a logout request travels on in a flow, and carriedBy reads it there.
func carry(params url.Values) map[string]string {
	out := map[string]string{}
	for _, name := range logoutParams() {
		if value := params.Get(name); value != "" {
			out[name] = value
		}
	}
	return out
}

func carriedBy(flow *signet.Flow) url.Values {
	params := url.Values{}
	for _, name := range logoutParams() {
		if value := flow.Params[name]; value != "" {
			params.Set(name, value)
		}
	}
	return params
}

// carried opens a logout request that was sent on: by postLogout, or by the person who begins an old one anew. It is bound
// to no browser and proves no more than the request did. A flow that is bound is our confirm page's, and is never an order
// by GET. Errors: CodeInvalidRequest, CodeForbidden.
func (l *Login) carried(r *http.Request, sealed string) (url.Values, error) {
	flow, err := l.Flows.OpenFlow(sealed, signet.FlowLogout, l.Bound(r))
	if err != nil {
		return nil, err
	}
	if flow.Browser != "" {
		return nil, signet.NewError(signet.CodeInvalidRequest, wordsExpired, "logout_flow")
	}
	return carriedBy(flow), nil
}

// planLogout checks a logout request (RP-Initiated Logout §2, §3). The order:
//
//  1. the hint is an ID token of ours (expired is fine)
//  2. client_id, when sent beside it, names the same client
//  3. the client may act
//  4. the URI is, byte for byte, one that this client registered
//  5. the hint is of the session, or the person, at this browser
//
// A fault in 1 to 4 takes away the redirect and asks the person; it is no error page, because somebody wants to log
// out. Error: CodeUnavailable.
func (l *Login) planLogout(ctx context.Context, params url.Values, session *signet.Session) (logoutPlan, error) {
	hint, id, err := l.whoAsks(ctx, params)
	var client *signet.Client
	if err == nil && id != "" {
		client, err = l.activeClient(ctx, id)
	}
	plan := logoutPlan{client: client, proven: hint != nil, params: params}
	if uri := params.Get("post_logout_redirect_uri"); uri != "" && err == nil {
		if client == nil || !slices.Contains(client.PostLogoutRedirectURIs, uri) {
			err = signet.NewError(signet.CodeInvalidRequest, "", "post_logout_redirect_uri")
		}
		plan.target = withState(uri, params.Get("state"))
	}
	if signet.CodeOf(err) == signet.CodeInvalidRequest {
		web.Note(ctx, "reason", signet.ReasonOf(err))
		return logoutPlan{}, nil
	}
	if err != nil {
		return logoutPlan{}, err
	}
	plan.sure = hint != nil && session != nil && (hint.SessionID == session.ID || hint.UserID == session.UserID)
	return plan, nil
}

// whoAsks returns the hint, nil when none was sent, and the client that it or client_id names, "" when neither does.
// Errors: CodeInvalidRequest, CodeUnavailable.
func (l *Login) whoAsks(ctx context.Context, params url.Values) (*signet.IDTokenHint, signet.ClientID, error) {
	id := signet.ClientID(params.Get("client_id"))
	raw := params.Get("id_token_hint")
	if raw == "" {
		return nil, id, nil
	}
	hint, err := l.Hints.IDTokenHint(ctx, raw)
	switch {
	case signet.CodeOf(err) == signet.CodeUnavailable:
		return nil, "", err
	case err != nil:
		return nil, "", &signet.Error{Code: signet.CodeInvalidRequest, Reason: "hint_invalid", Cause: err}
	}
	if id != "" && id != hint.ClientID {
		return nil, "", signet.NewError(signet.CodeInvalidRequest, "", "hint_of_another_client")
	}
	return hint, hint.ClientID, nil
}

// activeClient finds a client that may act. Errors: CodeInvalidRequest, CodeUnavailable.
func (l *Login) activeClient(ctx context.Context, id signet.ClientID) (*signet.Client, error) {
	web.Note(ctx, "client_id", string(id))
	client, err := l.Records.Client(ctx, id)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return nil, signet.NewError(signet.CodeInvalidRequest, wordsClient, "client_unknown")
	case err != nil:
		return nil, err
	case client.Disabled():
		return nil, signet.NewError(signet.CodeInvalidRequest, wordsClient, "client_disabled")
	}
	return client, nil
}

// askLogout shows the confirm page. Its flow carries the request, which is judged again at the answer.
func (l *Login) askLogout(w http.ResponseWriter, r *http.Request, session *signet.Session, plan logoutPlan) error {
	flow := &signet.Flow{
		ID: signet.NewID(), Purpose: signet.FlowLogout, Browser: l.Bind(w, r), CreatedAt: l.now(), SessionID: session.ID,
		Params: carry(plan.params),
	}
	sealed, err := l.Flows.SealFlow(flow)
	if err == nil && len(sealed) > maxSealedLogout {
		// Somebody wants to log out: they are asked all the same, and stay here.
		flow.Params, plan.target = nil, ""
		sealed, err = l.Flows.SealFlow(flow)
	}
	if err != nil {
		return err
	}
	view := templates.LogoutConfirmView{Flow: sealed}
	if plan.proven {
		view.ClientName = clientName(plan.client)
	}
	if plan.target != "" {
		view.ReturnTo = returnTo(plan.target)
		web.FormAction(w, plan.target)
	}
	user, err := l.Records.User(r.Context(), session.UserID)
	if err != nil && !errors.Is(err, signet.ErrNotFound) {
		return err
	}
	if err == nil {
		view.UserName = userName(user)
	}
	return l.show(w, http.StatusOK, func(b io.Writer) error { return l.Pages.LogoutConfirm(b, view) })
}

// end ends the session, when there is one, and takes the cookie back.
func (l *Login) end(w http.ResponseWriter, r *http.Request, session *signet.Session, client *signet.Client) error {
	if session != nil {
		var id signet.ClientID
		if client != nil {
			id = client.ID
		}
		event := l.event(r, signet.EventSessionEnded, session.UserID, id)
		event.Target, event.Reason = "session:"+string(session.ID), "logout"
		if err := l.Sessions.EndSession(r.Context(), session.ID, "logout", event); err != nil {
			return err
		}
		web.Note(r.Context(), "user_id", string(session.UserID))
	}
	if l.cookie(r, cookieSession) != "" {
		l.setCookie(w, cookieSession, "", -1)
	}
	return nil
}

// withState adds the state and nothing else (RP-Initiated Logout §3) to a registered URI, before its fragment.
func withState(uri, state string) string {
	if state == "" {
		return uri
	}
	base, fragment, cut := strings.Cut(uri, "#")
	join := "?"
	if strings.Contains(base, "?") {
		join = "&"
		if strings.HasSuffix(base, "?") || strings.HasSuffix(base, "&") {
			join = ""
		}
	}
	base += join + "state=" + url.QueryEscape(state)
	if cut {
		base += "#" + fragment
	}
	return base
}
