package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// operator is who calls.
type operator struct {
	Actor string // admin:{key id} or client:{id}
	KeyID string // "" for a client
	Name  string
}

// localActor is a command that works on the stores directly: whoever holds the database and the key-encryption keys.
const localActor = "admin:local"

type operatorKey struct{}

// AsOperator marks a context as coming from a command in this process. Nothing that arrives over a listener can carry
// it: it is no header, and no handler sets it.
func AsOperator(ctx context.Context) context.Context {
	return context.WithValue(ctx, operatorKey{}, operator{Actor: localActor, Name: "local command"})
}

// call is one request on its way through the room.
type call struct {
	w  http.ResponseWriter
	r  *http.Request
	by operator
}

func (c *call) ctx() context.Context { return c.r.Context() }

type handler func(*call) error

// guarded authenticates before anything of the request is looked at, and is the one error exit.
func (a *Admin) guarded(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := a.authenticate(r)
		if err == nil {
			web.Note(r.Context(), "actor", by.Actor)
			// An operator reads in order to write, and goes from one node to another in between.
			err = h(&call{w: w, r: r.WithContext(signet.FromTruth(r.Context())), by: by})
		}
		if err != nil {
			writeError(w, r, err)
		}
	}
}

// authenticate is the only check of who an operator is. Errors: CodeInvalidToken, CodeUnavailable.
func (a *Admin) authenticate(r *http.Request) (operator, error) {
	if by, ok := r.Context().Value(operatorKey{}).(operator); ok {
		return by, nil
	}
	presented := r.Header.Values("Authorization")
	if len(presented) != 1 {
		return operator{}, denied("credential_missing", nil)
	}
	scheme, raw, ok := strings.Cut(presented[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return operator{}, denied("credential_scheme", nil)
	}
	if _, ok := signet.ParseSecret(signet.SecretAdmin, raw); ok {
		return a.byKey(r.Context(), raw)
	}
	if a.o.Tokens == nil {
		return operator{}, denied("credential_malformed", nil)
	}
	id, err := a.o.Tokens.AdminClient(r.Context(), raw)
	if err != nil {
		if errors.Is(err, signet.ErrUnavailable) {
			return operator{}, err
		}
		return operator{}, denied("token_refused", err)
	}
	return operator{Actor: "client:" + string(id), Name: string(id)}, nil
}

func (a *Admin) byKey(ctx context.Context, raw string) (operator, error) {
	hashes := a.o.HashKeys()
	key, err := a.o.AdminKeys.AdminKey(ctx, hashes.Candidates(raw))
	if err != nil {
		if errors.Is(err, signet.ErrNotFound) {
			return operator{}, denied("admin_key_unknown", nil)
		}
		return operator{}, err
	}
	// The look-up found a row by its hash; this comparison, in constant time, is what decides.
	if key.DisabledAt != nil || !hashes.Verify(raw, key.Hash) {
		return operator{}, denied("admin_key_disabled", nil)
	}
	return operator{Actor: "admin:" + key.ID, KeyID: key.ID, Name: key.Name}, nil
}

// denied is the same to callers whatever was wrong.
func denied(reason string, cause error) error {
	return &signet.Error{Code: signet.CodeInvalidToken, Message: "An admin API key is required.", Reason: reason, Cause: cause}
}

// event starts the audit event of an act; the store writes it in the act's own transaction.
func (a *Admin) event(c *call, kind signet.EventKind, target string) signet.Event {
	event := web.NewEvent(c.ctx(), kind, a.o.Now())
	event.Actor, event.KeyID, event.Target = c.by.Actor, c.by.KeyID, target
	return event
}

type meView struct {
	Actor string `json:"actor"`
	KeyID string `json:"key_id,omitempty"`
	Name  string `json:"name,omitempty"`
}

func (a *Admin) me(c *call) error {
	web.WriteJSON(c.w, http.StatusOK, meView{Actor: c.by.Actor, KeyID: c.by.KeyID, Name: c.by.Name})
	return nil
}
