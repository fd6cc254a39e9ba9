package storagetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestClients(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		t.Run("comes back as it was written", func(t *testing.T) {
			expires := w.clock.Now().Add(time.Hour)
			c := &signet.Client{
				ID: signet.NewClientID(), Admin: true,
				ClientMetadata: signet.ClientMetadata{ClientName: "<b>\x00☃", JWKS: []byte(`{"keys":[]}`), Origins: []string{"https://a.test"}},
				Secrets: []signet.ClientSecret{
					{ID: "1", Hash: newHash(), CreatedAt: kept(w.clock.Now()), ExpiresAt: &expires},
					{ID: "2", Hash: newHash(), CreatedAt: kept(w.clock.Now().Add(time.Second))},
				},
			}
			want(t, "InsertClient", w.InsertClient(t.Context(), c, event(signet.EventClientCreated)), "")
			got, err := w.Client(t.Context(), c.ID)
			want(t, "Client", err, "")
			expires = kept(expires)
			if !reflect.DeepEqual(got, c) {
				t.Fatalf("got %+v\nwant %+v", got, c)
			}
			if got.Version != 1 || !got.CreatedAt.Equal(kept(w.clock.Now())) || got.CreatedAt.Location() != time.UTC {
				t.Fatalf("version %d, created at %v", got.Version, got.CreatedAt)
			}
		})
		t.Run("taken id", func(t *testing.T) {
			c := w.client(t)
			again := &signet.Client{ID: c.ID}
			want(t, "InsertClient", w.InsertClient(t.Context(), again, event(signet.EventClientCreated)), signet.CodeConflict)
		})
		t.Run("unknown and impossible ids name nothing", func(t *testing.T) {
			// SQL-01 and texts that PostgreSQL itself refuses.
			for _, id := range []signet.ClientID{"", "nobody", "' OR 1=1--", "1 OR 1=1", "a\x00b", "\xff\xfe", `{"$gt":""}`, signet.ClientID(make([]byte, 5000))} {
				_, err := w.Client(t.Context(), id)
				want(t, "Client", err, signet.CodeNotFound)
				want(t, "SetClientDisabled", w.SetClientDisabled(t.Context(), id, true, event(signet.EventClientDisabled)), signet.CodeNotFound)
			}
		})
		t.Run("an update wants the version that stands", func(t *testing.T) {
			c := w.client(t)
			stale, err := w.Client(t.Context(), c.ID)
			want(t, "Client", err, "")
			old := *stale
			c.ClientName, c.Secrets, c.Origins = "New", []signet.ClientSecret{{ID: "9", Hash: newHash()}}, []string{"https://new.test"}
			w.clock.Advance(time.Minute)
			before := w.count(t, "SELECT n FROM change_head")
			want(t, "UpdateClient", w.UpdateClient(t.Context(), c, event(signet.EventClientUpdated)), "")
			if after := w.count(t, "SELECT n FROM change_head"); after != before+1 {
				t.Fatalf("change_head went from %d to %d", before, after)
			}
			want(t, "UpdateClient with an old version", w.UpdateClient(t.Context(), &old, event(signet.EventClientUpdated)), signet.CodeConflict)
			got, err := w.Client(t.Context(), c.ID)
			want(t, "Client", err, "")
			if got.ClientName != "New" || got.Version != 2 || len(got.Secrets) != 1 || got.Secrets[0].ID != "9" || !got.UpdatedAt.Equal(kept(w.clock.Now())) {
				t.Fatalf("got %+v", got)
			}
			gone := signet.Client{ID: "gone", Version: 1}
			want(t, "UpdateClient of nobody", w.UpdateClient(t.Context(), &gone, event(signet.EventClientUpdated)), signet.CodeNotFound)
		})
		t.Run("64 updates of one version: one wins", func(t *testing.T) {
			c := w.client(t)
			won := 0
			for _, err := range together(64, func() error {
				mine := *c
				return w.UpdateClient(t.Context(), &mine, event(signet.EventClientUpdated))
			}) {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, signet.ErrConflict):
					t.Fatalf("UpdateClient: %v", err)
				}
			}
			if won != 1 {
				t.Fatalf("%d updates won", won)
			}
		})
		t.Run("pages by id", func(t *testing.T) {
			all, err := w.ListClients(t.Context(), "", 200)
			want(t, "ListClients", err, "")
			if len(all) < 3 {
				t.Fatalf("only %d clients", len(all))
			}
			var paged []signet.Client
			for after := ""; ; after = string(paged[len(paged)-1].ID) {
				page, err := w.ListClients(t.Context(), after, 2)
				want(t, "ListClients", err, "")
				if len(page) == 0 {
					break
				}
				paged = append(paged, page...)
			}
			if !reflect.DeepEqual(paged, all) {
				t.Fatalf("pages give %d clients, one page %d", len(paged), len(all))
			}
		})
	})
}

func TestClientDisabling(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		f := w.newFamily(t)
		other := w.newFamily(t)
		w.clock.Advance(time.Second)
		events := w.count(t, "SELECT COUNT(*) FROM audit_events")
		want(t, "disable", w.SetClientDisabled(t.Context(), f.client.ID, true, event(signet.EventClientDisabled)), "")
		want(t, "disable again", w.SetClientDisabled(t.Context(), f.client.ID, true, event(signet.EventClientDisabled)), "")
		if n := w.count(t, "SELECT COUNT(*) FROM audit_events") - events; n != 1 {
			t.Fatalf("%d audit events for one act", n)
		}
		got, err := w.Client(t.Context(), f.client.ID)
		want(t, "Client", err, "")
		now := kept(w.clock.Now())
		if !got.Disabled() || !got.DisabledAt.Equal(now) || !got.NotBefore.Equal(now) || got.Version != 2 {
			t.Fatalf("got %+v", got)
		}
		entries, err := w.RevocationsOf(t.Context(), signet.TokenFacts{ClientID: f.client.ID})
		want(t, "RevocationsOf", err, "")
		if len(entries) != 1 || entries[0].Kind != signet.RevokedClient || !entries[0].Before.Equal(now) || entries[0].ExpiresAt.Before(now.Add(24*time.Hour)) {
			t.Fatalf("journal: %+v", entries)
		}
		want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), signet.CodeRevoked)
		_, err = w.RotateRefreshToken(t.Context(), f.refresh.Hash, w.successor(f.refresh), w.clock.Now())
		want(t, "RotateRefreshToken", err, signet.CodeRevoked)
		want(t, "IssueCode", w.IssueCode(t.Context(), newGrantLike(f), newCodeLike(f)), signet.CodeRevoked)
		want(t, "UseCode of another client", w.UseCode(t.Context(), other.code.Hash, w.clock.Now()), "")

		want(t, "enable", w.SetClientDisabled(t.Context(), f.client.ID, false, event(signet.EventClientEnabled)), "")
		got, err = w.Client(t.Context(), f.client.ID)
		want(t, "Client", err, "")
		if got.Disabled() || !got.NotBefore.Equal(now) {
			t.Fatalf("enabled: %+v", got)
		}
		want(t, "UseCode after enabling", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), signet.CodeRevoked)
	})
}

func TestOrigins(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		c := w.client(t)
		origin := c.Origins[0]
		for _, polling := range []bool{false, true} {
			if polling {
				run(t, w.Store)
			}
			if !w.AnyOrigin(t.Context(), origin) || w.AnyOrigin(t.Context(), "https://evil.test") || w.AnyOrigin(t.Context(), "") {
				t.Fatal("the wrong origins are known")
			}
			want(t, "disable", w.SetClientDisabled(t.Context(), c.ID, true, event(signet.EventClientDisabled)), "")
			if w.AnyOrigin(t.Context(), origin) {
				t.Fatal("the origin of a disabled client is known")
			}
			want(t, "enable", w.SetClientDisabled(t.Context(), c.ID, false, event(signet.EventClientEnabled)), "")
			if !w.AnyOrigin(t.Context(), origin) {
				t.Fatal("the origin of an enabled client is not known")
			}
		}
	})
}

func newGrantLike(f *family) *signet.Grant {
	g := *f.grant
	g.ID = signet.NewGrantID()
	return &g
}

func newCodeLike(f *family) *signet.AuthorizationCode {
	c := *f.code
	c.Hash = newHash()
	return &c
}

// Callers that ask for an origin while the database does not answer wait side by side, not one behind the other: each of
// them is a request, and a page of another site can send any number.
func TestOriginsOfADatabaseThatHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Postgres())
	tx, err := w.raw.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), "LOCK TABLE client_origins IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	together(8, func() error {
		if w.AnyOrigin(t.Context(), "https://rp.test") {
			t.Error("an origin that cannot be known is allowed")
		}
		return nil
	})
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("eight callers waited %s", took)
	}
}
