package keys_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
)

func TestNewTakesTheBounds(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	store := database(t, c)()
	for name, change := range map[string]func(*keys.Options){
		"max-age 900 s":       func(o *keys.Options) { o.Plan.JWKSMaxAge = 900 * time.Second },
		"hints for 100 days":  func(o *keys.Options) { o.Plan.HintRetention = signet.KeyRetention },
		"no hints, no leeway": func(o *keys.Options) { o.Plan.HintRetention, o.Plan.Leeway, o.Plan.RotateEvery = 0, 0, 0 },
	} {
		o := options(store, c)
		change(&o)
		if _, err := keys.New(o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*keys.Options){
		"max-age a nanosecond more": func(o *keys.Options) { o.Plan.JWKSMaxAge = 900*time.Second + 1 },
		"negative hints":            func(o *keys.Options) { o.Plan.HintRetention = -1 },
		"KEK without id":            func(o *keys.Options) { o.KEKs[""] = kek(3) },
		"KEK id with NUL":           func(o *keys.Options) { o.KEKs["a\x00"] = kek(3) },
	} {
		o := options(store, c)
		change(&o)
		if _, err := keys.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	o := options(store, c)
	o.SigningAlgs = []string{"ES256", "ES256"}
	must(t, newRing(t, o).Start(context.Background()))
}

// Code and flow keys change by the schedule like signing keys; hash and rotation keys by command alone. The next change
// counts from when a key became active.
func TestScheduleOfEveryUse(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	ctx := context.Background()
	count := func() map[signet.KeyUse]int {
		list, err := ring.List(ctx)
		must(t, err)
		n := map[signet.KeyUse]int{}
		for _, info := range list {
			n[info.Use]++
		}
		return n
	}
	want := func(sig, code, flow int) {
		t.Helper()
		n := count()
		if n[signet.KeySigning] != sig || n[signet.KeyCode] != code || n[signet.KeyFlow] != flow || n[signet.KeyHash] != 1 || n[signet.KeyRotation] != 1 {
			t.Fatalf("+%s: %v", c.Now().Sub(start), n)
		}
	}
	c.advance(plan.RotateEvery - 1)
	must(t, keys.KeepUp(ring, ctx))
	want(1, 1, 1)
	c.advance(1)
	must(t, keys.KeepUp(ring, ctx))
	must(t, keys.KeepUp(ring, ctx))
	want(2, 2, 2)
	c.advance(plan.RotateEvery)
	must(t, keys.KeepUp(ring, ctx))
	want(2, 2, 2)
	c.advance(signLead - 1)
	must(t, keys.KeepUp(ring, ctx))
	want(2, 3, 3)
	c.advance(1)
	must(t, keys.KeepUp(ring, ctx))
	want(3, 3, 3)
}

// With RotateEvery 0 nothing changes by itself.
func TestNoSchedule(t *testing.T) {
	t.Parallel()
	ring, c := started(t, func(o *keys.Options) { o.Plan.RotateEvery = 0 })
	_, kid := sign(t, ring, "ES256")
	c.advance(1000 * 24 * time.Hour)
	must(t, keys.KeepUp(ring, context.Background()))
	if _, again := sign(t, ring, "ES256"); again != kid || len(published(t, ring)) != 1 {
		t.Error("a ring without a schedule rotated")
	}
	if age := ring.JWKS().MaxAge; age != plan.JWKSMaxAge {
		t.Errorf("max-age %s", age)
	}
}

// A rotation by command starts from what is, not from what this node knew a second ago; and it says what it did.
func TestRotateStartsFromWhatIs(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	open := database(t, c)
	store := open()
	one, two := newRing(t, options(store, c)), newRing(t, options(open(), c))
	ctx := context.Background()
	must(t, one.Start(ctx))
	must(t, two.Start(ctx))
	first, err := one.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
	must(t, err)
	second, err := two.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
	must(t, err)
	events, err := store.ListEvents(ctx, "", 10)
	must(t, err)
	said := slices.ContainsFunc(events, func(e signet.Event) bool {
		return e.Kind == signet.EventKeyRotated && e.KeyID == string(second) && e.Target == string(first) && e.Actor == "admin:test"
	})
	if !said {
		t.Errorf("no event of the second rotation in %+v", events)
	}
}

// A revoked key that does not sign any more gets no successor, and the signer stays; one that does not sign yet gets one
// that is published first, like itself.
func TestROT02StatesOfTheRevoked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		wait time.Duration // after a rotation
		lost func(old, next signet.KeyID) signet.KeyID
		made int // keys made for it
	}{
		{"retiring", signLead, func(old, _ signet.KeyID) signet.KeyID { return old }, 0},
		{"gone", signLead + plan.LongestToken + plan.JWKSMaxAge + plan.Leeway, func(old, _ signet.KeyID) signet.KeyID { return old }, 0},
		{"published", 0, func(_, next signet.KeyID) signet.KeyID { return next }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clock := &clock{now: start}
			store := database(t, clock)()
			ring := newRing(t, options(store, clock))
			ctx := context.Background()
			must(t, ring.Start(ctx))
			token, old := sign(t, ring, "ES256")
			next, err := ring.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
			must(t, err)
			clock.advance(c.wait)
			_, signs := sign(t, ring, "ES256")
			lost := c.lost(old, next)
			must(t, ring.Revoke(ctx, lost, event(signet.EventKeyRevoked)))
			list, err := ring.List(ctx)
			must(t, err)
			if len(list) != 6+c.made {
				t.Errorf("%d keys, want %d", len(list), 6+c.made)
			}
			for range 3 {
				if _, kid := sign(t, ring, "ES256"); kid != signs {
					t.Errorf("%s signs, want %s still", kid, signs)
				}
				clock.advance((signLead - 1) / 3)
			}
			clock.advance(3)
			if _, kid := sign(t, ring, "ES256"); kid == lost {
				t.Error("the revoked key signs")
			}
			if _, _, err := ring.VerifyHint(token); (err == nil) != (lost != old) {
				t.Errorf("hint by the old key: %v", err)
			}
			// The journal remembers it until nothing that it signed can be alive.
			found, err := store.RevocationsOf(ctx, signet.TokenFacts{KeyID: lost})
			must(t, err)
			if len(found) != 1 || found[0].ExpiresAt.Before(found[0].At.Add(plan.LongestToken+plan.JWKSMaxAge+plan.Leeway)) {
				t.Errorf("journal %+v", found)
			}
			err = ring.Revoke(ctx, lost, event(signet.EventKeyRevoked))
			if signet.ReasonOf(err) != "key_revoked" {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

// What is of no use any more need not open: a revoked key may have gone with its key-encryption key.
func TestForgottenKeysNeedNotOpen(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	store := &failing{Store: database(t, c)()}
	ring := newRing(t, options(store, c))
	ctx := context.Background()
	must(t, ring.Start(ctx))
	_, lost := sign(t, ring, "ES256")
	must(t, ring.Revoke(ctx, lost, event(signet.EventKeyRevoked)))
	store.tamper = func(rows []signet.Key) {
		for i := range rows {
			if rows[i].ID == lost {
				rows[i].KEKID, rows[i].Sealed = "lost", nil
			}
		}
	}
	must(t, newRing(t, options(store, c)).Start(ctx))
	must(t, ring.Reload(ctx))
	// All open: a row that is gone is gone.
	next, err := ring.Rotate(ctx, "EdDSA", event(signet.EventKeyRotated))
	must(t, err)
	store.tamper = func(rows []signet.Key) {
		for i := range rows {
			if rows[i].ID == next || rows[i].ID == lost {
				rows[i].RevokedAt = &start
			}
		}
	}
	must(t, ring.Reload(ctx))
	if _, ok := published(t, ring)[next]; ok {
		t.Error("a revoked key is published")
	}
}

// A clock that was set back changes states back.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	_, old := sign(t, ring, "ES256")
	next, err := ring.Rotate(context.Background(), "ES256", event(signet.EventKeyRotated))
	must(t, err)
	c.advance(signLead)
	if _, kid := sign(t, ring, "ES256"); kid != next {
		t.Fatal("the next key does not sign")
	}
	c.advance(-time.Second)
	if _, kid := sign(t, ring, "ES256"); kid != old {
		t.Error("a key signs before its time")
	}
}

// A node whose clock is a little ahead uses the new code and flow keys first: the others know them by then, and those
// that have retired until nothing is under way.
func TestSymmetricKeysOfTheOthers(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	ctx := context.Background()
	older, err := ring.Seal("x", []byte("plai"))
	must(t, err)
	for _, use := range []string{"flow", "code"} {
		_, err := ring.Rotate(ctx, use, event(signet.EventKeyRotated))
		must(t, err)
	}
	if _, older := ring.CodeKeys(); len(older) != 1 {
		t.Errorf("%d keys beside the current code key, want the published one", len(older))
	}
	c.advance(12 * time.Second)
	newer, err := ring.Seal("x", []byte("plai"))
	must(t, err)
	c.advance(-5 * time.Second)
	_, err = ring.Open("x", newer)
	must(t, err)
	c.advance(5*time.Second + plan.LongestToken + plan.JWKSMaxAge + plan.Leeway - 1)
	_, err = ring.Open("x", older)
	must(t, err)
	c.advance(1)
	_, err = ring.Open("x", older)
	wantCode(t, err, signet.CodeInvalidRequest)
	// Bits that base64 would drop are no second spelling.
	last := newer[len(newer)-1]
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	spare := newer[:len(newer)-1] + string(digits[strings.IndexByte(digits, last)|1])
	_, err = ring.Open("x", spare)
	wantCode(t, err, signet.CodeInvalidRequest)
	// A flow says itself what it is for.
	liar, err := ring.Seal("flow|authorize", []byte(`{"p":"logout","t":"`+c.Now().Format(time.RFC3339)+`"}`))
	must(t, err)
	_, err = ring.OpenFlow(liar, signet.FlowAuthorize, "")
	wantCode(t, err, signet.CodeInvalidRequest)
}

// Sealed bytes are bound to row, algorithm and the name of their key-encryption key, also where the other row is of the
// same use, the algorithm fits the key, and the other name means the same bytes.
func TestSealedBytesStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func(rows []signet.Key){
		"exchanged with the successor": func(rows []signet.Key) {
			var two []*signet.Key
			for i := range rows {
				if rows[i].Alg == "ES256" {
					two = append(two, &rows[i])
				}
			}
			two[0].Sealed, two[1].Sealed = two[1].Sealed, two[0].Sealed
		},
		"RS256 called PS256": func(rows []signet.Key) {
			for i := range rows {
				if rows[i].Alg == "RS256" {
					rows[i].Alg = "PS256"
				}
			}
		},
		"another name for the same KEK": func(rows []signet.Key) { rows[0].KEKID = "two" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &clock{now: start}
			store := &failing{Store: database(t, c)()}
			o := options(store, c)
			o.KEKs["two"], o.SigningAlgs = kek(1), []string{"ES256", "RS256"}
			ring := newRing(t, o)
			ctx := context.Background()
			must(t, ring.Start(ctx))
			_, err := ring.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
			must(t, err)
			must(t, newRing(t, o).Start(ctx))
			store.tamper = tamper
			wantCode(t, newRing(t, o).Start(ctx), signet.CodeInternal)
		})
	}
}

// max-age follows the plan of the keys that will rotate, not of those that have or were taken back.
func TestMaxAgeOfRotatedKeys(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	ctx := context.Background()
	c.advance(plan.RotateEvery / 2)
	next, err := ring.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
	must(t, err)
	c.advance(plan.RotateEvery/2 - 100*time.Second)
	if got := ring.JWKS().MaxAge; got != plan.JWKSMaxAge {
		t.Errorf("max-age %s before the old key would have rotated, want %s", got, plan.JWKSMaxAge)
	}
	c.advance(100 * time.Second)
	must(t, ring.Revoke(ctx, next, event(signet.EventKeyRevoked)))
	c.advance(plan.RotateEvery/2 + signLead - 100*time.Second)
	if got := ring.JWKS().MaxAge; got != plan.JWKSMaxAge {
		t.Errorf("max-age %s before the revoked key would have rotated, want %s", got, plan.JWKSMaxAge)
	}
	// Symmetric keys are no part of the set: their schedule shortens nothing.
	fresh, d := started(t)
	_, err = fresh.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
	must(t, err)
	d.advance(plan.RotateEvery - 100*time.Second)
	if got := fresh.JWKS().MaxAge; got != plan.JWKSMaxAge {
		t.Errorf("max-age %s before a code key rotates, want %s", got, plan.JWKSMaxAge)
	}
}

// insertFails is a store that cannot write the first set.
type insertFails struct{ keys.Store }

func (insertFails) InsertKeys(context.Context, []signet.Key, bool, signet.Event) error {
	return signet.Unavailable(errors.New("read only"))
}

// FLT17: a set that could not be written is not used.
func TestFLT17FirstSetNotWritten(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	ring := newRing(t, options(insertFails{database(t, c)()}, c))
	wantCode(t, ring.Start(context.Background()), signet.CodeUnavailable)
	_, _, err := ring.Sign("ES256", "at+jwt", nil)
	wantCode(t, err, signet.CodeUnavailable)
}

// without is a store from which somebody deleted the signing keys.
type without struct {
	keys.Store
	gone bool
}

func (w *without) Keys(ctx context.Context) ([]signet.Key, error) {
	rows, err := w.Store.Keys(ctx)
	if w.gone {
		rows = slices.DeleteFunc(rows, func(key signet.Key) bool { return key.Use == signet.KeySigning })
	}
	return rows, err
}

// A row that was deleted is a key that is gone, when all others open.
func TestDeletedRow(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	store := &without{Store: database(t, c)()}
	ring := newRing(t, options(store, c))
	must(t, ring.Start(context.Background()))
	store.gone = true
	must(t, ring.Reload(context.Background()))
	_, _, err := ring.Sign("ES256", "at+jwt", nil)
	wantCode(t, err, signet.CodeUnavailable)
}
