package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/oauth"
	"github.com/signet-auth/signet/pkg/revocation"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/storage/redisstore"
	"github.com/signet-auth/signet/storage/sqlstore"
	"github.com/signet-auth/signet/templates"
)

// The small pieces between rooms. Each holds no rule of its own.

// attempts is what both users of counters need.
type attempts interface {
	web.Counter
	login.Attempts
}

// shortLived are the homes chosen for records that do not outlive a few hours.
type shortLived struct {
	marks    clientauth.Marks
	attempts attempts
	fast     revocation.Fast // nil: the journal answers
}

// pusher lets the store tell the revocation service, which is made of the store.
type pusher struct {
	service atomic.Pointer[revocation.Service]
}

// Push carries entries on; before the service stands, the outbox has them.
func (p *pusher) Push(ctx context.Context, entries []signet.Revocation) {
	if service := p.service.Load(); service != nil {
		service.Push(ctx, entries)
	}
}

// lateHints lets login ask oauth, which is made of login. It is complete before the first request.
type lateHints struct{ server *oauth.Server }

// IDTokenHint verifies a hint.
func (h *lateHints) IDTokenHint(ctx context.Context, raw string) (*signet.IDTokenHint, error) {
	return h.server.IDTokenHint(ctx, raw)
}

// adminTokens lets clients that an admin marked into the admin API.
type adminTokens struct {
	server   *oauth.Server
	audience string
}

// AdminClient returns the client of a token for the admin API.
func (t adminTokens) AdminClient(ctx context.Context, raw string) (signet.ClientID, error) {
	client, err := t.server.MachineToken(ctx, raw, t.audience)
	if err != nil {
		return "", err
	}
	if !client.Admin {
		return "", signet.NewError(signet.CodeInvalidToken, "", "client_not_admin")
	}
	return client.ID, nil
}

// reloadOn reads the ring again when its table has changed, on this node or another.
func reloadOn(ring *keys.Ring, table string, log *slog.Logger) func(string, string) {
	return func(changed, _ string) {
		if changed != table {
			return
		}
		if err := ring.Reload(context.Background()); err != nil {
			log.Error("keys were not read again", "error", err)
		}
	}
}

// publish tells the other nodes of this node's commits, so that they poll at once.
func publish(ctx context.Context, store *sqlstore.Store, redis *redisstore.Store) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-store.Changed():
			redis.Publish(ctx, n)
		}
	}
}

var errDraining = errors.New("draining")

// drain remembers that the process is about to end, and how long it goes on serving then.
type drain struct {
	flag   atomic.Bool
	notice time.Duration
}

// parting asks callers to send no more requests on a connection once the process is about to end: what is sent on a
// kept connection while it is being closed would be lost.
func (d *drain) parting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.begun() {
			w.Header().Set("Connection", "close") // HTTP/2: GOAWAY
		}
		next.ServeHTTP(w, r)
	})
}

func (d *drain) begin()      { d.flag.Store(true) }
func (d *drain) begun() bool { return d.flag.Load() }

func notFound(pages *templates.Pages) http.HandlerFunc {
	page := errorPage(pages)
	return func(w http.ResponseWriter, r *http.Request) {
		page(w, r, http.StatusNotFound, "", "")
	}
}

func errorPage(pages *templates.Pages) func(http.ResponseWriter, *http.Request, int, string, string) {
	return func(w http.ResponseWriter, r *http.Request, status int, title, message string) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		// The status is out; what cannot be rendered or sent now cannot be answered otherwise.
		_ = pages.Error(w, templates.ErrorView{Status: status, Title: title, Message: message, ErrorID: web.RequestID(r.Context())})
	}
}
