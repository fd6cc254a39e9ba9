package storagetest

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestConsents(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		f := w.newFamily(t)
		_, err := w.Consent(t.Context(), f.user.ID, f.client.ID)
		want(t, "Consent", err, signet.CodeNotFound)
		_, err = w.Consent(t.Context(), "\xff", f.client.ID)
		want(t, "Consent", err, signet.CodeNotFound)
		first := w.clock.Now()
		grant := func(scope ...string) error {
			now := w.clock.Now()
			return w.GrantConsent(t.Context(), &signet.Consent{
				UserID: f.user.ID, ClientID: f.client.ID, Scope: scope, GrantedAt: now, ConfirmedAt: now,
			}, event(signet.EventConsentGranted))
		}
		want(t, "GrantConsent", grant("openid", "profile"), "")
		w.clock.Advance(time.Hour)
		want(t, "GrantConsent", grant("email", "openid"), "")
		got, err := w.Consent(t.Context(), f.user.ID, f.client.ID)
		want(t, "Consent", err, "")
		if !slices.Equal(got.Scope, signet.Scope{"openid", "profile", "email"}) || !got.GrantedAt.Equal(kept(first)) || !got.ConfirmedAt.Equal(kept(w.clock.Now())) {
			t.Fatalf("got %+v", got)
		}
		// Two tabs: neither consent may be lost.
		numbers := make(chan int, 32)
		for i := range 32 {
			numbers <- i
		}
		for _, err := range together(32, func() error { return grant("s" + strconv.Itoa(<-numbers)) }) {
			want(t, "GrantConsent", err, "")
		}
		got, err = w.Consent(t.Context(), f.user.ID, f.client.ID)
		want(t, "Consent", err, "")
		if len(got.Scope) != 3+32 {
			t.Fatalf("%d scopes are left of 35: %v", len(got.Scope), got.Scope)
		}
		gone := &signet.Consent{UserID: f.user.ID, ClientID: "gone", ConfirmedAt: first}
		want(t, "GrantConsent", w.GrantConsent(t.Context(), gone, event(signet.EventConsentGranted)), signet.CodeNotFound)
	})
}

// What is taken back takes the grants at that client with it, and nobody else's.
func TestRevokeConsent(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		f, other := w.newFamily(t), w.newFamily(t)
		revoke := func() error {
			return w.RevokeConsent(t.Context(), f.user.ID, f.client.ID, event(signet.EventConsentRevoked))
		}
		want(t, "RevokeConsent", w.RevokeConsent(t.Context(), f.user.ID, other.client.ID, event(signet.EventConsentRevoked)), signet.CodeNotFound)
		now := w.clock.Now()
		want(t, "GrantConsent", w.GrantConsent(t.Context(), &signet.Consent{
			UserID: f.user.ID, ClientID: f.client.ID, Scope: signet.Scope{"openid"}, GrantedAt: now, ConfirmedAt: now,
		}, event(signet.EventConsentGranted)), "")
		want(t, "RevokeConsent", revoke(), "")
		_, err := w.Consent(t.Context(), f.user.ID, f.client.ID)
		want(t, "Consent", err, signet.CodeNotFound)
		want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), signet.CodeRevoked)
		want(t, "UseCode of another", w.UseCode(t.Context(), other.code.Hash, w.clock.Now()), "")
		entries, err := w.RevocationsOf(t.Context(), signet.TokenFacts{GrantID: f.grant.ID})
		want(t, "RevocationsOf", err, "")
		if len(entries) != 1 || entries[0].Kind != signet.RevokedGrant {
			t.Fatalf("journal %+v", entries)
		}
		want(t, "RevokeConsent again", revoke(), signet.CodeNotFound)
		if n := w.count(t, "SELECT count(*) FROM audit_events WHERE kind = 'consent.revoked'"); n != 1 {
			t.Fatalf("%d events", n)
		}
	})
}

// A consent that is taken back while codes are issued on it leaves no grant: the write sees that it is gone, or the act
// sees the grant. Grants of clients that ask for none need none.
func TestGrantsRestOnConsents(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		f := w.newFamily(t)
		issue := func(consented bool) (signet.SecretHash, error) {
			grant, code := newGrantLike(f), newCodeLike(f)
			code.GrantID, grant.Consented = grant.ID, consented
			return code.Hash, w.IssueCode(t.Context(), grant, code)
		}
		_, err := issue(true)
		want(t, "IssueCode without a consent", err, signet.CodeRevoked)
		_, err = issue(false)
		want(t, "IssueCode that needs none", err, "")
		now := w.clock.Now()
		want(t, "GrantConsent", w.GrantConsent(t.Context(), &signet.Consent{
			UserID: f.user.ID, ClientID: f.client.ID, Scope: signet.Scope{"openid"}, GrantedAt: now, ConfirmedAt: now,
		}, event(signet.EventConsentGranted)), "")
		_, err = issue(true)
		want(t, "IssueCode on a consent", err, "")

		issued, turns := make(chan signet.SecretHash, 32), make(chan int, 32)
		for i := range 32 {
			turns <- i
		}
		for _, err := range together(32, func() error {
			if <-turns == 16 {
				return w.RevokeConsent(t.Context(), f.user.ID, f.client.ID, event(signet.EventConsentRevoked))
			}
			hash, err := issue(true)
			if err == nil {
				issued <- hash
			}
			return err
		}) {
			if code := signet.CodeOf(err); code != "" && code != signet.CodeRevoked {
				t.Fatalf("got %v", err)
			}
		}
		close(issued)
		for hash := range issued {
			want(t, "UseCode", w.UseCode(t.Context(), hash, w.clock.Now()), signet.CodeRevoked)
		}
	})
}
