package sqlstore

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// freshStore is a store whose cached records may be used; it has no database.
func freshStore() *Store {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := &Store{opts: Options{Now: func() time.Time { return now }}, base: now}
	return s
}

// The race that a cache read through must not lose: a read that began before a change was polled ends after it.
func TestCacheDoesNotKeepAReadOlderThanAChange(t *testing.T) {
	t.Parallel()
	s := freshStore()
	c := newCache[signet.ClientID, signet.Client](10)
	read := func(version int64, during func()) *signet.Client {
		t.Helper()
		got, err := through(t.Context(), s, c, "c", func(context.Context, signet.ClientID) (*signet.Client, error) {
			during()
			return &signet.Client{Version: version}, nil
		})
		if err != nil {
			t.Fatalf("through: %v", err)
		}
		return got
	}
	for _, name := range []string{"drop", "clear", "drop of another"} {
		read(1, func() {
			switch name {
			case "drop":
				c.drop("c")
			case "clear":
				c.clear()
			default:
				c.drop("d")
			}
		})
		if got := c.get("c"); got != nil {
			t.Fatalf("%s: version %d is kept", name, got.Version)
		}
	}
	read(2, func() {})
	if got := c.get("c"); got == nil || got.Version != 2 {
		t.Fatalf("got %+v", got)
	}
}

// Nobody joins a read that began before a change became known.
func TestCacheDoesNotJoinAReadOlderThanAChange(t *testing.T) {
	t.Parallel()
	s := freshStore()
	c := newCache[signet.ClientID, signet.Client](10)
	reading, release := make(chan struct{}), make(chan struct{})
	var old sync.WaitGroup
	old.Go(func() {
		_, _ = through(t.Context(), s, c, "c", func(context.Context, signet.ClientID) (*signet.Client, error) {
			close(reading)
			<-release
			return &signet.Client{Version: 1}, nil
		})
	})
	<-reading
	c.drop("c")
	got, err := through(t.Context(), s, c, "c", func(context.Context, signet.ClientID) (*signet.Client, error) {
		return &signet.Client{Version: 2}, nil
	})
	close(release)
	old.Wait()
	if err != nil || got.Version != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if got := c.get("c"); got.Version != 2 {
		t.Fatalf("version %d is kept", got.Version)
	}
}

// Whoever began a shared read may hang up; the others still get it.
func TestCacheSharesAReadWhoseCallerIsGone(t *testing.T) {
	t.Parallel()
	s := freshStore()
	c := newCache[signet.ClientID, signet.Client](10)
	ctx, hangUp := context.WithCancel(t.Context())
	reading, release := make(chan struct{}), make(chan struct{})
	load := func(ctx context.Context, _ signet.ClientID) (*signet.Client, error) {
		close(reading)
		<-release
		return &signet.Client{Version: 1}, ctx.Err()
	}
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := through(ctx, s, c, "c", load); signet.CodeOf(err) != signet.CodeUnavailable {
			t.Errorf("the caller that is gone got %v", err)
		}
	})
	<-reading
	all.Go(func() {
		got, err := through(t.Context(), s, c, "c", func(context.Context, signet.ClientID) (*signet.Client, error) {
			return &signet.Client{Version: 1}, nil // joined or read anew, by the moment of its coming
		})
		if err != nil || got.Version != 1 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	hangUp()
	close(release)
	all.Wait()
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCache[signet.ClientID, signet.Client](10)
	for i := range 1000 {
		c.put(signet.ClientID(strconv.Itoa(i)), &signet.Client{}, 0)
	}
	if n := len(c.records); n != 10 {
		t.Fatalf("%d records", n)
	}
}

func BenchmarkWarmClient(b *testing.B) {
	s := freshStore()
	s.opts.Now, s.base = time.Now, time.Now()
	s.polledAt.Store(1 << 40)
	s.clients = newCache[signet.ClientID, signet.Client](10)
	s.clients.put("c", &signet.Client{}, 0)
	s.base = time.Now().Add(-time.Duration(1 << 40))
	b.ReportAllocs()
	for b.Loop() {
		if time.Since(s.base) > time.Duration(1<<40)+freshFor/2 {
			s.base = s.base.Add(freshFor / 4)
		}
		if _, err := s.Client(b.Context(), "c"); err != nil {
			b.Fatal(err)
		}
	}
}
