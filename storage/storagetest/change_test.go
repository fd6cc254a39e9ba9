package storagetest

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// listen returns a channel of the changes that a store tells of.
func listen(s *sqlstore.Store) <-chan [2]string {
	told := make(chan [2]string, 1000)
	s.OnChange(func(table, id string) { told <- [2]string{table, id} })
	return told
}

// await waits until a change is told.
func await(t *testing.T, told <-chan [2]string, table, id string) {
	t.Helper()
	limit := time.After(5 * time.Second)
	for {
		select {
		case got := <-told:
			if got == [2]string{table, id} {
				return
			}
		case <-limit:
			t.Fatalf("the change of %s %s was not told", table, id)
		}
	}
}

// settled waits until a store has polled once: it tells that everything may have changed.
func settled(t *testing.T, s *sqlstore.Store) <-chan [2]string {
	t.Helper()
	told := listen(s)
	run(t, s)
	await(t, told, "revocations", "")
	return told
}

// Whoever polls must never see a number before all lower ones: a late commit would be lost. A plain sequence fails here.
func TestChangeNumbersFollowCommitOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var users []*signet.User
		for range 32 {
			users = append(users, w.user(t))
		}
		other := w.open(t, sqlstore.Options{})
		last := w.count(t, "SELECT n FROM change_head")
		done := make(chan struct{})
		var polled []int
		var poller sync.WaitGroup
		poller.Go(func() {
			for ended := false; !ended; {
				select {
				case <-done:
					ended = true
				default:
				}
				rows, err := w.raw.Query("SELECT n FROM changes ORDER BY n")
				if err != nil {
					t.Errorf("changes: %v", err)
					return
				}
				for rows.Next() {
					var n int
					if err := rows.Scan(&n); err != nil {
						t.Errorf("changes: %v", err)
					}
					if n > last {
						last = n
						polled = append(polled, n)
					}
				}
				_ = rows.Close()
				runtime.Gosched()
			}
		})
		queue := make(chan int, 32)
		for i := range 32 {
			queue <- i
		}
		for _, err := range together(32, func() error {
			i := <-queue
			s := []*sqlstore.Store{w.Store, other}[i%2]
			return s.SetPassword(t.Context(), users[i].ID, "$argon2id$x", event(signet.EventPasswordChanged))
		}) {
			want(t, "SetPassword", err, "")
		}
		close(done)
		poller.Wait()
		// A user's row and a journal row each.
		if len(polled) != 64 || polled[63]-polled[0] != 63 || !slices.IsSorted(polled) {
			t.Fatalf("the poller saw %d numbers: %v", len(polled), polled)
		}
	})
}

func TestCacheFollowsOtherNodes(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		reader := w.open(t, sqlstore.Options{})
		told := settled(t, reader)
		c, u := w.client(t), w.user(t)
		await(t, told, "users", string(u.ID))
		for range 3 {
			got, err := reader.Client(t.Context(), c.ID)
			want(t, "Client", err, "")
			if got.Disabled() {
				t.Fatal("disabled")
			}
			_, err = reader.User(t.Context(), u.ID)
			want(t, "User", err, "")
		}
		began := time.Now()
		want(t, "disable", w.SetClientDisabled(t.Context(), c.ID, true, event(signet.EventClientDisabled)), "")
		want(t, "disable", w.SetUserDisabled(t.Context(), u.ID, true, event(signet.EventUserDisabled)), "")
		await(t, told, "users", string(u.ID))
		if took := time.Since(began); took > time.Second {
			t.Errorf("the change was told after %v", took)
		}
		gotC, err := reader.Client(t.Context(), c.ID)
		want(t, "Client", err, "")
		gotU, err := reader.User(t.Context(), u.ID)
		want(t, "User", err, "")
		if !gotC.Disabled() || !gotU.Disabled() {
			t.Fatal("an old record is used after the change was told")
		}
	})
}

// What this node changes itself is never seen old, polled or not.
func TestOwnChangesAreSeenAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		c := w.client(t)
		for i := range 20 {
			_, err := w.Client(t.Context(), c.ID)
			want(t, "Client", err, "")
			disabled := i%2 == 0
			want(t, "SetClientDisabled", w.SetClientDisabled(t.Context(), c.ID, disabled, event(signet.EventClientDisabled)), "")
			got, err := w.Client(t.Context(), c.ID)
			want(t, "Client", err, "")
			if got.Disabled() != disabled {
				t.Fatal("an old record after an own change")
			}
		}
		err := w.InTx(t.Context(), func(ctx context.Context) error {
			want(t, "SetClientDisabled", w.SetClientDisabled(ctx, c.ID, true, event(signet.EventClientDisabled)), "")
			got, err := w.Client(ctx, c.ID)
			want(t, "Client", err, "")
			if !got.Disabled() {
				t.Error("a transaction does not see its own change")
			}
			return context.Canceled
		})
		if err == nil {
			t.Fatal("InTx returned nil")
		}
		got, err := w.Client(t.Context(), c.ID)
		want(t, "Client", err, "")
		if got.Disabled() {
			t.Fatal("a record that was rolled back is in the cache")
		}
		select {
		case <-w.Changed():
		default:
			t.Fatal("Changed gives nothing")
		}
	})
}

// A cached record is used only while polls succeed; then the database is asked, and when that fails nothing is active.
func TestCacheIsUsedOnlyWhileFresh(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		c := w.client(t)
		told := listen(w.Store)
		stop := run(t, w.Store)
		await(t, told, "revocations", "")
		_, err := w.Client(t.Context(), c.ID)
		want(t, "Client", err, "")
		want(t, "UpdateClient", w.UpdateClient(t.Context(), c, event(signet.EventClientUpdated)), "")
		await(t, told, "clients", string(c.ID))
		_, err = w.Client(t.Context(), c.ID)
		want(t, "Client", err, "")
		w.change(t, "ALTER TABLE clients RENAME TO clients_away")
		_, err = w.Client(t.Context(), c.ID)
		want(t, "Client, warm", err, "")
		w.change(t, "ALTER TABLE change_head RENAME TO head_away")
		w.clock.Advance(-time.Hour) // a clock that goes back does not make it young
		_, err = w.Client(t.Context(), c.ID)
		want(t, "Client, polled in the future", err, signet.CodeUnavailable)
		w.clock.Advance(time.Hour + time.Second) // the last good poll began a second ago
		_, err = w.Client(t.Context(), c.ID)
		want(t, "Client, not polled", err, signet.CodeUnavailable)
		if w.AnyOrigin(t.Context(), c.Origins[0]) {
			t.Fatal("an origin is known although nothing can be known")
		}
		w.change(t, "ALTER TABLE clients_away RENAME TO clients")
		w.change(t, "ALTER TABLE head_away RENAME TO change_head")
		_, err = w.Client(t.Context(), c.ID)
		want(t, "Client", err, "")
		stop()
		w.change(t, "ALTER TABLE clients RENAME TO clients_away")
		_, err = w.Client(t.Context(), c.ID)
		want(t, "Client without Run", err, signet.CodeUnavailable)
	})
}

// Nothing is read from the cache before the changes were polled once, and a transaction that has altered a record sees
// what it wrote.
func TestCacheKnowsItsLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		c := w.client(t)
		s := w.open(t, sqlstore.Options{})
		version := func(ctx context.Context) int64 {
			t.Helper()
			got, err := s.Client(ctx, c.ID)
			want(t, "Client", err, "")
			return got.Version
		}
		if got := version(t.Context()); got != 1 {
			t.Fatalf("version %d", got)
		}
		w.change(t, "UPDATE clients SET version = 7")
		if got := version(t.Context()); got != 7 {
			t.Errorf("never polled, and version %d comes from the cache", got)
		}
		settled(t, s)
		version(t.Context())
		want(t, "InTx", s.InTx(t.Context(), func(ctx context.Context) error {
			client := *c
			client.Version = 7
			if err := s.UpdateClient(ctx, &client, event(signet.EventClientUpdated)); err != nil {
				return err
			}
			if got := version(ctx); got != 8 {
				t.Errorf("the transaction that wrote version 8 sees %d", got)
			}
			return nil
		}), "")
	})
}

// A restored database has a head that went back, and retention can leave a gap: both make the cache unknown.
func TestLostChangesEmptyTheCache(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		told := settled(t, w.Store)
		c := w.client(t)
		await(t, told, "clients", string(c.ID))
		for _, lose := range [][]string{
			{"UPDATE change_head SET n = n + 5"},
			{"UPDATE change_head SET n = n + 5", "INSERT INTO changes SELECT n, 'keys', 'k', '2026-03-04 05:06:07' FROM change_head"},
			{"UPDATE change_head SET n = 0"},
		} {
			_, err := w.Client(t.Context(), c.ID)
			want(t, "Client", err, "")
			w.change(t, "UPDATE clients SET version = version + 1")
			w.change(t, "DELETE FROM changes")
			for _, statement := range lose {
				w.change(t, statement)
			}
			w.Wake()
			await(t, told, "clients", "")
			got, err := w.Client(t.Context(), c.ID)
			want(t, "Client", err, "")
			c.Version++
			if got.Version != c.Version {
				t.Fatalf("version %d after %q, want %d", got.Version, lose, c.Version)
			}
		}
	})
}

func TestWarmReadsAllocateNothing(t *testing.T) {
	db := SQLite()
	w := newWorld(t, db)
	c := w.client(t)
	settled(t, w.Store)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "a request's context")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := w.Client(ctx, c.ID); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
