package storagetest

import (
	"context"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

func TestJournal(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		now := kept(w.clock.Now())
		entries := []signet.Revocation{
			{Kind: signet.RevokedToken, Subject: "t", At: now, ExpiresAt: now.Add(time.Minute), Reason: "r"},
			{Kind: signet.RevokedGrant, Subject: "g", At: now, ExpiresAt: now.Add(time.Hour)},
			{Kind: signet.RevokedSession, Subject: "s", At: now, ExpiresAt: now.Add(time.Hour)},
			{Kind: signet.RevokedClient, Subject: "c", Before: now, At: now, ExpiresAt: now.Add(time.Hour)},
			{Kind: signet.RevokedUser, Subject: "u", Before: now, At: now, ExpiresAt: now.Add(time.Hour)},
			{Kind: signet.RevokedKey, Subject: "k", At: now, ExpiresAt: now.Add(time.Hour)},
		}
		head := int64(w.count(t, "SELECT n FROM change_head"))
		want(t, "WriteRevocations", w.WriteRevocations(t.Context(), entries, event(signet.EventTokenRevoked)), "")
		for i := range entries {
			entries[i].Position = head + int64(i) + 1
		}
		all := func(code signet.Code, wanted []signet.Revocation) {
			t.Helper()
			got, err := w.RevocationsOf(t.Context(), signet.TokenFacts{TokenID: "t", GrantID: "g", SessionID: "s", ClientID: "c", UserID: "u", KeyID: "k"})
			want(t, "RevocationsOf", err, code)
			live, err := w.LiveRevocations(t.Context(), w.clock.Now())
			want(t, "LiveRevocations", err, code)
			if !reflect.DeepEqual(got, wanted) || !reflect.DeepEqual(live, wanted) {
				t.Fatalf("got %+v\nlive %+v\nwant %+v", got, live, wanted)
			}
		}
		all("", entries)
		for _, none := range []signet.TokenFacts{{}, {TokenID: "g"}, {SessionID: "s", Offline: true}, {TokenID: "a\x00", UserID: "\xff"}} {
			got, err := w.RevocationsOf(t.Context(), none)
			want(t, "RevocationsOf", err, "")
			if len(got) != 0 {
				t.Fatalf("%+v is named by %+v", none, got)
			}
		}
		w.clock.Advance(time.Minute) // only the injected time ends an entry
		all("", entries[1:])

		unpushed, err := w.Unpushed(t.Context(), math.MaxInt64, 2)
		want(t, "Unpushed", err, "")
		if !reflect.DeepEqual(unpushed, entries[:2]) {
			t.Fatalf("unpushed: %+v", unpushed)
		}
		want(t, "MarkPushed", w.MarkPushed(t.Context(), []int64{entries[0].Position, entries[2].Position}), "")
		want(t, "MarkPushed", w.MarkPushed(t.Context(), nil), "")
		unpushed, err = w.Unpushed(t.Context(), math.MaxInt64, 100)
		want(t, "Unpushed", err, "")
		if len(unpushed) != 4 || unpushed[0].Subject != "g" || unpushed[1].Subject != "c" {
			t.Fatalf("unpushed: %+v", unpushed)
		}
		// A node that has carried nothing itself gets all of them, one that has carried two the third, though it is pushed.
		for after, wanted := range map[int64][]signet.Revocation{
			0: entries, entries[1].Position: entries[1:], entries[2].Position: {entries[1], entries[3], entries[4], entries[5]},
		} {
			unpushed, err = w.Unpushed(t.Context(), after, 100)
			want(t, "Unpushed", err, "")
			if !reflect.DeepEqual(unpushed, wanted) {
				t.Fatalf("unpushed after %d: %+v", after, unpushed)
			}
		}
		unpushed, err = w.Unpushed(t.Context(), entries[1].Position, 2)
		want(t, "Unpushed", err, "")
		if !reflect.DeepEqual(unpushed, entries[1:3]) {
			t.Fatalf("unpushed, two of them: %+v", unpushed)
		}
		bad := []signet.Revocation{{Kind: signet.RevokedToken, Subject: "a\x00"}}
		want(t, "WriteRevocations", w.WriteRevocations(t.Context(), bad, event(signet.EventTokenRevoked)), signet.CodeInvalidRequest)
	})
}

// The revoking node tells the fast store before it answers: after the commit, with positions, and never for what was
// rolled back.
func TestOnRevoked(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		f := w.newFamily(t)
		var told []signet.Revocation
		var s *sqlstore.Store
		s = w.open(t, sqlstore.Options{OnRevoked: func(ctx context.Context, entries []signet.Revocation) {
			if ctx.Done() != nil {
				t.Error("a caller that hangs up would stop it")
			}
			// Committed by now, and no transaction in the context whose connection could be used.
			live, err := s.LiveRevocations(ctx, w.clock.Now())
			if err != nil || len(live) == 0 {
				t.Errorf("LiveRevocations: %v, %v", live, err)
			}
			told = append(told, entries...)
		}})
		err := s.InTx(t.Context(), func(ctx context.Context) error {
			want(t, "EndSession", s.EndSession(ctx, f.session.ID, "logout", event(signet.EventSessionEnded)), "")
			return context.Canceled
		})
		if err == nil || len(told) != 0 {
			t.Fatalf("InTx: %v; told %+v", err, told)
		}
		want(t, "EndSession", s.EndSession(t.Context(), f.session.ID, "logout", event(signet.EventSessionEnded)), "")
		if len(told) != 1 || told[0].Position == 0 || told[0].Subject != string(f.session.ID) {
			t.Fatalf("told %+v", told)
		}
	})
}
