package signet

import (
	"errors"
	"time"
)

// Session is one person logged in at one browser (OIDC sid). The cookie holds a secret of its own, stored hashed.
type Session struct {
	ID       SessionID
	Hash     SecretHash // of the cookie's secret; changes at each privilege change, the ID does not
	UserID   UserID
	AuthTime time.Time // of the last full authentication
	ACR      string
	AMR      []string // RFC 8176
	// LastSeenAt is written at most once a minute.
	LastSeenAt time.Time
	CreatedAt  time.Time
	// IdleExpiresAt moves with use, ExpiresAt does not.
	IdleExpiresAt time.Time
	ExpiresAt     time.Time
	EndedAt       *time.Time
}

// Live reports whether the session can be used at now.
func (s *Session) Live(now time.Time) bool {
	return s.EndedAt == nil && now.Before(s.ExpiresAt) && now.Before(s.IdleExpiresAt)
}

// Flow is a pending authorization request. It is stored nowhere: it travels sealed in the flow parameter, is bound to
// one browser and ends after FlowLifetime.
type Flow struct {
	ID string `json:"i"`
	// Purpose keeps the kinds apart: a logout flow never opens as a login flow.
	Purpose string `json:"p"`
	// Browser is the hash of the browser cookie's secret, hex; "" while not yet bound (POST /authorize).
	Browser   string              `json:"b,omitempty"`
	CreatedAt time.Time           `json:"t"`
	ClientID  ClientID            `json:"c,omitempty"`
	Params    map[string]string   `json:"a,omitempty"` // the validated request, one value a name
	Extra     map[string][]string `json:"x,omitempty"` // parameters that may repeat (resource)
	// Denied: the person said no. Nobody but the consent page can say so.
	Denied bool `json:"d,omitempty"`
	// SessionID is the session that a logout flow would end.
	SessionID SessionID `json:"s,omitempty"`
}

// The purposes of a flow. Each is also the name of the endpoint that takes such a flow up.
const (
	FlowAuthorize = "authorize"
	FlowLogout    = "logout"
)

// FlowLifetime is how long a person may take over the pages.
const FlowLifetime = 30 * time.Minute

// Live reports whether the flow may still be used at now.
func (f *Flow) Live(now time.Time) bool {
	return now.Before(f.CreatedAt.Add(FlowLifetime)) && !f.CreatedAt.After(now.Add(10*time.Second))
}

// Anew is the same request as if the client's link had just been followed: of nobody's browser yet and from now on, without
// a session and without whatever a person answered. Whoever plants one has gained what a link to the endpoint gives
// anybody, and no more: a login, a click or a no of the flow before is none in this one.
func (f *Flow) Anew(now time.Time) *Flow {
	return &Flow{ID: NewID(), Purpose: f.Purpose, CreatedAt: now, ClientID: f.ClientID, Params: f.Params, Extra: f.Extra}
}

// restartable is a refusal of a flow whose request can be begun anew.
type restartable struct {
	error
	path string
}

// Unwrap gives the refusal.
func (r *restartable) Unwrap() error { return r.error }

// Restartable adds to the refusal of a flow where its request begins anew: a path of ours with its query.
func Restartable(err error, path string) error { return &restartable{err, path} }

// RestartOf is the path of Restartable, "" when the request cannot be begun anew.
func RestartOf(err error) string {
	var r *restartable
	if errors.As(err, &r) {
		return r.path
	}
	return ""
}

// Consent is what a user allowed a client.
type Consent struct {
	UserID   UserID
	ClientID ClientID
	Scope    Scope
	// ConfirmedAt is the last click on Allow (or on Continue); GrantedAt the first.
	GrantedAt   time.Time
	ConfirmedAt time.Time
}

// What a password login is called: acr is advertised in the metadata (acr_values_supported) and echoed in ID tokens,
// amr is from RFC 8176 §2.
const (
	ACRPassword = "urn:signet:acr:password"
	AMRPassword = "pwd"
)
