package storagetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestPINApplications(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		t.Run("comes back as it was written, with client, user and keys", func(t *testing.T) {
			app, client, user := newPINApplication()
			key := newSealedKey(signet.OwnerPINApplication+string(app.ID), signet.KeyPIN)
			key.CreatedAt = kept(w.clock.Now())
			w.audited(t, "InsertPINApplication", signet.EventPINApplicationCreated, "", func(e signet.Event) error {
				return w.InsertPINApplication(t.Context(), app, client, user, []signet.SealedKey{key}, e)
			})
			app.Keys = []signet.SealedKey{key}
			byName, err := w.PINApplication(t.Context(), app.Username)
			want(t, "PINApplication", err, "")
			byID, err := w.PINApplicationByID(t.Context(), app.ID)
			want(t, "PINApplicationByID", err, "")
			if !reflect.DeepEqual(byName, app) || !reflect.DeepEqual(byID, app) {
				t.Fatalf("got %+v and %+v\nwant %+v", byName, byID, app)
			}
			gotClient, err := w.Client(t.Context(), app.ID)
			want(t, "Client", err, "")
			gotUser, err := w.User(t.Context(), app.UserID())
			want(t, "User", err, "")
			if !reflect.DeepEqual(gotClient, client) || !reflect.DeepEqual(gotUser, user) || client.Version != 1 || user.Version != 1 {
				t.Fatalf("got %+v and %+v", gotClient, gotUser)
			}
		})
		t.Run("a name that is taken leaves nothing behind", func(t *testing.T) {
			taken := w.pinApplication(t)
			app, client, user := newPINApplication()
			app.Username = taken.Username
			w.audited(t, "InsertPINApplication", signet.EventPINApplicationCreated, signet.CodeConflict, func(e signet.Event) error {
				return w.InsertPINApplication(t.Context(), app, client, user, nil, e)
			})
			_, err := w.Client(t.Context(), app.ID)
			want(t, "Client", err, signet.CodeNotFound)
			_, err = w.User(t.Context(), app.UserID())
			want(t, "User", err, signet.CodeNotFound)
			if client.Version != 0 || app.Version != 0 {
				t.Fatal("what was not written has a version")
			}
			app.Username = "free"
			third := newSealedKey("", signet.KeyPIN)
			want(t, "three live keys", w.InsertPINApplication(t.Context(), app, client, user,
				[]signet.SealedKey{newSealedKey("", signet.KeyPIN), newSealedKey("", signet.KeyPIN), third}, event(signet.EventPINApplicationCreated)), signet.CodeConflict)
			want(t, "another's key", w.InsertPINApplication(t.Context(), app, client, user,
				[]signet.SealedKey{newSealedKey(signet.OwnerPINApplication+string(taken.ID), signet.KeyPIN)}, event(signet.EventPINApplicationCreated)), signet.CodeInvalidRequest)
			other := *user
			other.ID = "app:other"
			want(t, "another's user", w.InsertPINApplication(t.Context(), app, client, &other, nil, event(signet.EventPINApplicationCreated)), signet.CodeInvalidRequest)
			want(t, "at last", w.InsertPINApplication(t.Context(), app, client, user, nil, event(signet.EventPINApplicationCreated)), "")
		})
		t.Run("names that name nothing; letter case counts", func(t *testing.T) {
			app := w.pinApplication(t)
			for _, name := range []string{"", "nobody", "\x00", "' OR 1=1--", "loans" + app.Username[5:], string(app.ID)} {
				_, err := w.PINApplication(t.Context(), name)
				want(t, name, err, signet.CodeNotFound)
			}
			_, err := w.PINApplicationByID(t.Context(), "nobody")
			want(t, "PINApplicationByID", err, signet.CodeNotFound)
		})
		t.Run("an application is no person", func(t *testing.T) {
			app, client, user := newPINApplication()
			person := w.user(t)
			user.Username, user.Profile.Email = "App "+string(app.ID), person.Profile.Email
			want(t, "InsertPINApplication", w.InsertPINApplication(t.Context(), app, client, user, nil, event(signet.EventPINApplicationCreated)), "")
			_, err := w.UserByLogin(t.Context(), user.Username)
			want(t, "UserByLogin", err, signet.CodeNotFound)
			// Nor does its address keep a person from logging in.
			got, err := w.UserByLogin(t.Context(), person.Profile.Email)
			want(t, "UserByLogin", err, "")
			if got.ID != person.ID {
				t.Fatalf("got %+v", got)
			}
			users, err := w.ListUsers(t.Context(), "", 1000)
			want(t, "ListUsers", err, "")
			for _, u := range users {
				if u.ID.Application() {
					t.Fatalf("%s is listed", u.ID)
				}
			}
			if len(users) == 0 {
				t.Fatal("nobody is listed")
			}
		})
		t.Run("another user name moves the record", func(t *testing.T) {
			app := w.pinApplication(t)
			old := app.Username
			_, err := w.PINApplication(t.Context(), old) // warm
			want(t, "PINApplication", err, "")
			stale := *app
			app.Username = "moved-" + string(app.ID)
			want(t, "UpdatePINApplication", w.UpdatePINApplication(t.Context(), app, event(signet.EventPINApplicationUpdated)), "")
			_, err = w.PINApplication(t.Context(), old)
			want(t, "the old name", err, signet.CodeNotFound)
			got, err := w.PINApplication(t.Context(), app.Username)
			want(t, "the new name", err, "")
			if got.ID != app.ID || got.Version != 2 || len(got.Keys) != 1 {
				t.Fatalf("got %+v", got)
			}
			w.audited(t, "stale", signet.EventPINApplicationUpdated, signet.CodeConflict, func(e signet.Event) error {
				return w.UpdatePINApplication(t.Context(), &stale, e)
			})
			app.Username = w.pinApplication(t).Username
			want(t, "taken", w.UpdatePINApplication(t.Context(), app, event(signet.EventPINApplicationUpdated)), signet.CodeConflict)
			gone, _, _ := newPINApplication()
			want(t, "nobody", w.UpdatePINApplication(t.Context(), gone, event(signet.EventPINApplicationUpdated)), signet.CodeNotFound)
		})
		t.Run("pages by id", func(t *testing.T) {
			all, err := w.ListPINApplications(t.Context(), "", 100)
			want(t, "ListPINApplications", err, "")
			page, err := w.ListPINApplications(t.Context(), string(all[0].ID), 1)
			want(t, "ListPINApplications", err, "")
			if len(page) != 1 || !reflect.DeepEqual(page[0], all[1]) {
				t.Fatalf("got %+v", page)
			}
		})
	})
}

// Another PIN ends what the old one opened; anything else leaves it.
func TestAnotherPINEndsGrants(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		app, other := w.pinApplication(t), w.pinApplication(t)
		grants := func(of *signet.PINApplication) *signet.RefreshToken {
			t.Helper()
			now := w.clock.Now()
			g := &signet.Grant{
				ID: signet.NewGrantID(), ClientID: of.ID, UserID: of.UserID(), Offline: true, AMR: []string{signet.AMRPIN}, AuthTime: now,
				CreatedAt: now, ExpiresAt: now.Add(signet.PINGrantLife),
			}
			want(t, "InsertGrant", w.InsertGrant(t.Context(), g), "")
			want(t, "InsertGrant again", w.InsertGrant(t.Context(), g), signet.CodeConflict)
			r := &signet.RefreshToken{Hash: newHash(), GrantID: g.ID, ClientID: of.ID, RotationKeyID: "r", CreatedAt: now}
			want(t, "InsertRefreshToken", w.InsertRefreshToken(t.Context(), r), "")
			return r
		}
		mine, theirs := grants(app), grants(other)
		w.clock.Advance(time.Second)
		app.Mode = signet.PINGCM
		want(t, "another mode", w.UpdatePINApplication(t.Context(), app, event(signet.EventPINApplicationUpdated)), "")
		rotate := func(r *signet.RefreshToken) (*signet.RefreshToken, error) {
			next := w.successor(r)
			_, err := w.RotateRefreshToken(t.Context(), r.Hash, next, w.clock.Now())
			return next, err
		}
		mine, err := rotate(mine)
		want(t, "rotate", err, "")
		w.clock.Advance(time.Second)
		app.PINHash = "$argon2id$second"
		w.audited(t, "another PIN", signet.EventPINApplicationUpdated, "", func(e signet.Event) error { return w.UpdatePINApplication(t.Context(), app, e) })
		_, err = rotate(mine)
		want(t, "rotate", err, signet.CodeRevoked)
		_, err = rotate(theirs)
		want(t, "rotate another's", err, "")
		user, err := w.User(t.Context(), app.UserID())
		want(t, "User", err, "")
		if now := kept(w.clock.Now()); !user.NotBefore.Equal(now) || !user.PasswordChangedAt.Equal(now) || user.Version != 2 {
			t.Fatalf("got %+v", user)
		}
		w.revoked(t, signet.TokenFacts{UserID: app.UserID()}, 1)
		got, err := w.PINApplication(t.Context(), app.Username)
		want(t, "PINApplication", err, "")
		if got.PINHash != app.PINHash || got.Version != 3 {
			t.Fatalf("got %+v", got)
		}
		grants(app) // the new PIN opens
		want(t, "SetUserDisabled", w.SetUserDisabled(t.Context(), app.UserID(), true, event(signet.EventUserDisabled)), "")
		refused := &signet.Grant{ID: signet.NewGrantID(), ClientID: app.ID, UserID: app.UserID(), CreatedAt: w.clock.Now(), ExpiresAt: w.clock.Now()}
		want(t, "InsertGrant for a disabled user", w.InsertGrant(t.Context(), refused), signet.CodeRevoked)
		want(t, "SetClientDisabled", w.SetClientDisabled(t.Context(), other.ID, true, event(signet.EventClientDisabled)), "")
		refused.ClientID, refused.UserID = other.ID, other.UserID()
		want(t, "InsertGrant for a disabled client", w.InsertGrant(t.Context(), refused), signet.CodeRevoked)
	})
}
