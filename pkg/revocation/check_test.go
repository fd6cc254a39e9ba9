package revocation_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/revocation"
	"github.com/signet-auth/signet/pkg/signet"
)

func TestNewRefusesOptions(t *testing.T) {
	t.Parallel()
	n := newWorld(t, nil).node(false)
	log := slog.New(slog.DiscardHandler)
	for _, o := range []revocation.Options{
		{Now: time.Now, Log: log},
		{Journal: n.journal, Log: log},
		{Journal: n.journal, Now: time.Now},
	} {
		if _, err := revocation.New(o); err == nil {
			t.Errorf("New(%+v) accepted it", o)
		}
	}
}

// Every kind of entry against every state of a token, answered by the journal and by Redis alike.
func TestRevoked(t *testing.T) {
	t.Parallel()
	before := time.Now().Truncate(time.Second).Add(300 * time.Millisecond)
	issued := func(d time.Duration) time.Time { return before.Truncate(time.Second).Add(d) }
	entries := []signet.Revocation{
		{Kind: signet.RevokedToken, Subject: "t"}, {Kind: signet.RevokedGrant, Subject: "g"},
		{Kind: signet.RevokedSession, Subject: "s"}, {Kind: signet.RevokedKey, Subject: "k"},
		{Kind: signet.RevokedClient, Subject: "c", Before: before}, {Kind: signet.RevokedUser, Subject: "u", Before: before},
		{Kind: signet.RevokedClient, Subject: "always"},
		{Kind: signet.RevokedPrincipal, Subject: "biller:b", Before: before},
		{Kind: signet.RevokedCredential, Subject: "biller:b#h"},
		{Kind: signet.RevokedToken, Subject: "over"},
	}
	for i := range entries {
		entries[i].At, entries[i].ExpiresAt = before, before.Add(time.Hour)
	}
	entries[len(entries)-1].ExpiresAt = before.Add(-time.Second)
	alive := signet.TokenFacts{
		TokenID: "t1", GrantID: "g1", SessionID: "s1", ClientID: "c1", UserID: "u1", KeyID: "k1", IssuedAt: issued(0),
		Principal: "biller:b1", Credential: "biller:b1#h1",
	}
	with := func(change func(*signet.TokenFacts)) signet.TokenFacts {
		facts := alive
		change(&facts)
		return facts
	}
	cases := []struct {
		name  string
		facts signet.TokenFacts
		want  bool
	}{
		{"nothing known of the token", signet.TokenFacts{}, false},
		{"alive", alive, false},
		{"token", with(func(f *signet.TokenFacts) { f.TokenID = "t" }), true},
		{"grant", with(func(f *signet.TokenFacts) { f.GrantID = "g" }), true},
		{"session", with(func(f *signet.TokenFacts) { f.SessionID = "s" }), true},
		// A refresh token for offline use, and what it mints, outlives the logout.
		{"session of an offline token", with(func(f *signet.TokenFacts) { f.SessionID, f.Offline = "s", true }), false},
		{"grant of an offline token", with(func(f *signet.TokenFacts) { f.GrantID, f.Offline = "g", true }), true},
		// ROT-02
		{"key", with(func(f *signet.TokenFacts) { f.KeyID = "k" }), true},
		{"kinds are apart", with(func(f *signet.TokenFacts) { f.TokenID, f.GrantID, f.KeyID = "g", "k", "t" }), false},
		{"client, earlier", with(func(f *signet.TokenFacts) { f.ClientID, f.IssuedAt = "c", issued(-time.Hour) }), true},
		// iat has whole seconds: a token of the second in which the act fell may be from before it.
		{"client, same second", with(func(f *signet.TokenFacts) { f.ClientID, f.IssuedAt = "c", issued(0) }), true},
		{"client, next second", with(func(f *signet.TokenFacts) { f.ClientID, f.IssuedAt = "c", issued(time.Second) }), true},
		{"client, later", with(func(f *signet.TokenFacts) { f.ClientID, f.IssuedAt = "c", issued(2*time.Second) }), false},
		{"client, time unknown", with(func(f *signet.TokenFacts) { f.ClientID, f.IssuedAt = "c", time.Time{} }), true},
		{"user, earlier", with(func(f *signet.TokenFacts) { f.UserID, f.IssuedAt = "u", issued(-time.Hour) }), true},
		{"user, same second", with(func(f *signet.TokenFacts) { f.UserID = "u" }), true},
		{"user, later", with(func(f *signet.TokenFacts) { f.UserID, f.IssuedAt = "u", issued(2*time.Second) }), false},
		{"principal, earlier", with(func(f *signet.TokenFacts) { f.Principal, f.IssuedAt = "biller:b", issued(-time.Hour) }), true},
		// A biller that was disabled and enabled again gets tokens that live.
		{"principal, later", with(func(f *signet.TokenFacts) { f.Principal, f.IssuedAt = "biller:b", issued(2*time.Second) }), false},
		{"credential, whenever issued", with(func(f *signet.TokenFacts) { f.Credential, f.IssuedAt = "biller:b#h", issued(time.Hour) }), true},
		{"whenever issued", with(func(f *signet.TokenFacts) { f.ClientID, f.IssuedAt = "always", issued(time.Hour) }), true},
		{"an entry that is over", with(func(f *signet.TokenFacts) { f.TokenID = "over" }), false},
	}
	for _, home := range []string{"journal", "redis"} {
		t.Run(home, func(t *testing.T) {
			t.Parallel()
			var redis *server
			if home == "redis" {
				redis = startServer(t)
			}
			n := newWorld(t, redis).node(true)
			if err := n.journal.WriteRevocations(t.Context(), entries, signet.Event{Kind: signet.EventTokenRevoked}); err != nil {
				t.Fatal(err)
			}
			for _, c := range cases {
				got, err := n.Revoked(t.Context(), c.facts)
				if err != nil || got != c.want {
					t.Errorf("%s: got %v, %v; want %v", c.name, got, err, c.want)
				}
			}
		})
	}
}

func TestRevokeToken(t *testing.T) {
	t.Parallel()
	n := newWorld(t, startServer(t)).node(true)
	facts := signet.TokenFacts{TokenID: "a", IssuedAt: time.Now()}
	n.revoked(t, facts, false)
	n.take(t, "a")
	n.revoked(t, facts, true)
	left, err := n.journal.Unpushed(t.Context(), math.MaxInt64, 10)
	if err != nil || len(left) != 0 {
		t.Errorf("after a push the outbox holds %v, %v", left, err)
	}

	event := signet.Event{Kind: signet.EventTokenRevoked}
	err = n.RevokeToken(t.Context(), signet.TokenFacts{GrantID: "g"}, time.Now().Add(time.Hour), "test", event)
	if signet.CodeOf(err) != signet.CodeInternal {
		t.Errorf("a token without id: got %v", err)
	}
	if err := n.RevokeToken(t.Context(), signet.TokenFacts{TokenID: "old"}, time.Now().Add(-time.Hour), "test", event); err != nil {
		t.Errorf("a token that has expired: got %v", err)
	}
	live, err := n.journal.LiveRevocations(t.Context(), time.Now())
	if err != nil || len(live) != 1 {
		t.Errorf("the journal holds %v, %v; want the one entry", live, err)
	}
	// Clocks differ and checks grant a leeway: a token that has just expired may still be accepted somewhere.
	if err := n.RevokeToken(t.Context(), signet.TokenFacts{TokenID: "late"}, time.Now().Add(-time.Second), "test", event); err != nil {
		t.Errorf("a token that has just expired: got %v", err)
	}
	n.revoked(t, signet.TokenFacts{TokenID: "late"}, true)
}

// A token can be sent to /revoke any number of times while it has not expired: only the first time writes anything, also
// when it is dead because its grant is.
func TestRevokeTokenTwice(t *testing.T) {
	t.Parallel()
	for name, redis := range map[string]*server{"redis": startServer(t), "journal": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, redis)
			n := w.node(redis != nil)
			for range 3 {
				n.take(t, "a")
			}
			grant := []signet.Revocation{{Kind: signet.RevokedGrant, Subject: "g", ExpiresAt: time.Now().Add(time.Hour)}}
			if err := n.journal.WriteRevocations(t.Context(), grant, signet.Event{Kind: signet.EventGrantRevoked}); err != nil {
				t.Fatal(err)
			}
			facts := signet.TokenFacts{TokenID: "b", GrantID: "g", IssuedAt: time.Now()}
			if err := n.RevokeToken(t.Context(), facts, time.Now().Add(time.Hour), "test", signet.Event{Kind: signet.EventTokenRevoked}); err != nil {
				t.Fatal(err)
			}
			live, err := n.journal.LiveRevocations(t.Context(), time.Now())
			events, errEvents := n.journal.ListEvents(t.Context(), "", 10)
			if err != nil || errEvents != nil || len(live) != 2 || len(events) != 2 {
				t.Errorf("%d entries, %d events, want 2 and 2; %v, %v", len(live), len(events), err, errEvents)
			}
		})
	}
}

// Callers that hang up must not send everybody else to the journal: here it is away, and Redis still answers.
func TestImpatientCallersCastNoDoubt(t *testing.T) {
	t.Parallel()
	n := newWorld(t, startServer(t)).node(true)
	facts := signet.TokenFacts{TokenID: "a"}
	n.revoked(t, facts, false)
	if err := n.journal.Close(); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if _, err := n.Revoked(gone, facts); !errors.Is(err, signet.ErrUnavailable) {
			t.Fatalf("a caller that is gone: got %v, want CodeUnavailable", err)
		}
	}
	n.revoked(t, facts, false)
}

// Nobody may be told "active" when nobody knows.
func TestBothHomesAway(t *testing.T) {
	t.Parallel()
	redis := startServer(t)
	n := newWorld(t, redis).node(true)
	facts := signet.TokenFacts{TokenID: "a"}
	n.revoked(t, facts, false)
	if err := n.journal.Close(); err != nil {
		t.Fatal(err)
	}
	// With the journal away, Redis is believed for a second: an entry that nobody has pushed could be in the journal.
	until(t, "Redis alone is not believed", func() bool {
		_, err := n.Revoked(t.Context(), facts)
		return errors.Is(err, signet.ErrUnavailable)
	})
	redis.kill()
	if revoked, err := n.Revoked(t.Context(), facts); !errors.Is(err, signet.ErrUnavailable) {
		t.Fatalf("both away: got %v, %v; want CodeUnavailable", revoked, err)
	}
}
