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

// maxLogout bounds the parameters of a posted logout request: they travel on sealed in a URL of at most 8 KiB.
const maxLogout = 4 << 10

// paramTarget is where a confirmed logout ends; it stands in a flow that only we seal.
const paramTarget = "target"

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
}

// getLogout is the end session endpoint.
//
//  1. parse  2. who is logged in  3. what the request comes to  4. end, or ask  5. write
//
// A GET alone proves nothing: any site can make a browser send it. So a session ends at once only when the request
// brings an ID token of that session; everything else asks (CSR-01).
func (l *Login) getLogout(w http.ResponseWriter, r *http.Request) {
	params, err := web.Query(r)
	if err == nil && params.Has("flow") {
		params, err = l.carried(params.Get("flow"))
	}
	if err != nil {
		l.fail(w, r, err)
		return
	}
	session, err := l.Session(r)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	plan, err := l.planLogout(r.Context(), params, session)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	if session != nil && !plan.sure {
		l.askLogout(w, r, session, plan)
		return
	}
	if err := l.end(w, r, session, plan.client); err != nil {
		l.fail(w, r, err)
		return
	}
	if plan.target == "" {
		l.showLoggedOut(w, r)
		return
	}
	seeOther(w, plan.target)
}

// postLogout is the answer of our own confirm page, or a logout request that a client posts.
//
// A client's POST comes without the session cookie (SameSite=Lax), so it is sent on as a GET before a cookie is read.
// A POST with neither our flow nor a word of who asks is nobody's (CSR-01).
func (l *Login) postLogout(w http.ResponseWriter, r *http.Request) {
	form, err := web.Form(r)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	if form.Has("flow") {
		l.confirmLogout(w, r, form)
		return
	}
	if !form.Has("id_token_hint") && !form.Has("client_id") {
		l.fail(w, r, signet.NewError(signet.CodeForbidden, wordsSite, "logout_post_of_nobody"))
		return
	}
	params, size := map[string]string{}, 0
	for _, name := range logoutParams() {
		if value := form.Get(name); value != "" {
			params[name] = value
			size += len(name) + len(value)
		}
	}
	if size > maxLogout {
		l.fail(w, r, signet.NewError(signet.CodeTooLarge, "The logout request is too large.", "logout_too_large"))
		return
	}
	sealed, err := l.Flows.SealFlow(&signet.Flow{ID: signet.NewID(), Purpose: signet.FlowLogout, CreatedAt: l.now(), Params: params})
	if err != nil {
		l.fail(w, r, signet.Internal(err))
		return
	}
	seeOther(w, "/logout?flow="+url.QueryEscape(sealed))
}

// confirmLogout ends the session that the confirm page named.
//
//  1. from our own page  2. the flow of this browser  3. still that session  4. end with the event  5. write
func (l *Login) confirmLogout(w http.ResponseWriter, r *http.Request, form url.Values) {
	if !web.SameOrigin(r) {
		l.fail(w, r, signet.NewError(signet.CodeForbidden, wordsSite, "cross_site_post"))
		return
	}
	flow, err := l.openFlow(r, form.Get("flow"), signet.FlowLogout)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	session, err := l.Session(r)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	if session != nil && session.ID != flow.SessionID {
		l.fail(w, r, signet.NewError(signet.CodeForbidden, wordsPerson, "logout_of_another_session"))
		return
	}
	var client *signet.Client
	if flow.ClientID != "" {
		client = &signet.Client{ID: flow.ClientID}
	}
	if err := l.end(w, r, session, client); err != nil {
		l.fail(w, r, err)
		return
	}
	target := flow.Params[paramTarget]
	if target == "" {
		target = "/logged-out"
	}
	seeOther(w, target)
}

// getLoggedOut says that nobody is logged in, when that is so.
func (l *Login) getLoggedOut(w http.ResponseWriter, r *http.Request) {
	session, err := l.Session(r)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	if session != nil {
		seeOther(w, "/logout")
		return
	}
	l.showLoggedOut(w, r)
}

func (l *Login) showLoggedOut(w http.ResponseWriter, r *http.Request) {
	l.show(w, r, http.StatusOK, func(b io.Writer) error { return l.Pages.LoggedOut(b, templates.LoggedOutView{}) })
}

// carried opens the parameters that postLogout sent on. They are bound to no browser and prove no more than the POST
// did. A flow that is bound is our confirm page's, and is never an order by GET. Error: CodeInvalidRequest.
func (l *Login) carried(sealed string) (url.Values, error) {
	flow, err := l.Flows.OpenFlow(sealed, signet.FlowLogout)
	if err != nil || flow.Browser != "" {
		return nil, &signet.Error{Code: signet.CodeInvalidRequest, Message: wordsExpired, Reason: "logout_flow", Cause: err}
	}
	params := url.Values{}
	for _, name := range logoutParams() {
		if value := flow.Params[name]; value != "" {
			params.Set(name, value)
		}
	}
	return params, nil
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
	plan := logoutPlan{client: client, proven: hint != nil}
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

// askLogout shows the confirm page.
func (l *Login) askLogout(w http.ResponseWriter, r *http.Request, session *signet.Session, plan logoutPlan) {
	flow := &signet.Flow{
		ID: signet.NewID(), Purpose: signet.FlowLogout, Browser: l.Bind(w, r), CreatedAt: l.now(), SessionID: session.ID,
	}
	view := templates.LogoutConfirmView{}
	if plan.client != nil {
		flow.ClientID = plan.client.ID
	}
	if plan.proven {
		view.ClientName = clientName(plan.client)
	}
	if plan.target != "" {
		flow.Params = map[string]string{paramTarget: plan.target}
		view.ReturnTo = returnTo(plan.target)
		web.FormAction(w, plan.target)
	}
	user, err := l.Records.User(r.Context(), session.UserID)
	if err != nil && !errors.Is(err, signet.ErrNotFound) {
		l.fail(w, r, err)
		return
	}
	if err == nil {
		view.UserName = userName(user)
	}
	if view.Flow, err = l.Flows.SealFlow(flow); err != nil {
		l.fail(w, r, signet.Internal(err))
		return
	}
	l.show(w, r, http.StatusOK, func(b io.Writer) error { return l.Pages.LogoutConfirm(b, view) })
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
