package storagetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Fast is the quick home of revocations under test (revocation.Fast).
type Fast interface {
	Look(ctx context.Context, keys []string) (found map[string]int64, known bool, err error)
	Put(ctx context.Context, entries []signet.Revocation) error
	Rebuild(ctx context.Context, load func(ctx context.Context) ([]signet.Revocation, error)) error
}

// RunFast proves a quick home of revocations. open returns an empty home that reads the time from now.
func RunFast(t *testing.T, open func(t *testing.T, now func() time.Time) Fast) {
	t.Helper()
	for _, start := range []time.Time{
		time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC),
		time.Now().Truncate(time.Second),
		time.Date(2093, 3, 4, 5, 6, 7, 0, time.UTC),
	} {
		t.Run(start.Format("2006"), func(t *testing.T) {
			for _, c := range fastCases {
				t.Run(c.name, func(t *testing.T) {
					clock := NewClock(start)
					c.run(t, &fastTest{Fast: open(t, clock.Now), clock: clock, start: start})
				})
			}
		})
	}
}

// fastTest is one case's home and time.
type fastTest struct {
	Fast
	clock *Clock
	start time.Time
}

// entry lives for an hour; before is counted from the start, 0 for none.
func (f *fastTest) entry(kind signet.RevocationKind, subject string, before time.Duration) signet.Revocation {
	r := signet.Revocation{Kind: kind, Subject: subject, At: f.start, ExpiresAt: f.start.Add(time.Hour)}
	if before != 0 {
		r.Before = f.start.Add(before)
	}
	return r
}

func (f *fastTest) put(t *testing.T, entries ...signet.Revocation) {
	t.Helper()
	if err := f.Put(t.Context(), entries); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

func (f *fastTest) rebuild(t *testing.T, entries ...signet.Revocation) {
	t.Helper()
	load := func(context.Context) ([]signet.Revocation, error) { return entries, nil }
	if err := f.Rebuild(t.Context(), load); err != nil {
		t.Fatalf("Rebuild: %v", err)
	}
}

// look fails the test unless the home is known and says exactly want of these keys.
func (f *fastTest) look(t *testing.T, want map[string]int64, keys ...string) {
	t.Helper()
	found, known, err := f.Look(t.Context(), keys)
	if err != nil || !known || !maps.Equal(found, want) {
		t.Fatalf("Look(%q): got %v, known %v, %v; want %v", keys, found, known, err, want)
	}
}

func (f *fastTest) unknown(t *testing.T, keys ...string) {
	t.Helper()
	if _, known, err := f.Look(t.Context(), keys); err != nil || known {
		t.Fatalf("Look: known %v, %v; want a home that knows that it knows nothing", known, err)
	}
}

var fastCases = []struct {
	name string
	run  func(t *testing.T, f *fastTest)
}{
	{"an empty home is not trusted until it is rebuilt", func(t *testing.T, f *fastTest) {
		f.unknown(t)
		f.unknown(t, "token:a")
		f.put(t, f.entry(signet.RevokedToken, "a", 0))
		f.unknown(t, "token:a")
		f.rebuild(t, f.entry(signet.RevokedToken, "b", 0))
		f.look(t, nil)
		f.look(t, map[string]int64{"token:a": 0, "token:b": 0}, "token:a", "token:b", "token:c")
	}},
	{"a rebuild that fails is not trusted", func(t *testing.T, f *fastTest) {
		broken := errors.New("the journal is away")
		err := f.Rebuild(t.Context(), func(context.Context) ([]signet.Revocation, error) { return nil, broken })
		if !errors.Is(err, broken) {
			t.Fatalf("Rebuild: got %v, want what load returned", err)
		}
		f.unknown(t)
	}},
	{"what is put during a rebuild stays", func(t *testing.T, f *fastTest) {
		// The hazard of rebuilding: an act committed after the journal was read is pushed meanwhile.
		err := f.Rebuild(t.Context(), func(context.Context) ([]signet.Revocation, error) {
			f.put(t, f.entry(signet.RevokedUser, "u", 20*time.Second), f.entry(signet.RevokedToken, "new", 0))
			return []signet.Revocation{f.entry(signet.RevokedUser, "u", 10*time.Second)}, nil
		})
		if err != nil {
			t.Fatalf("Rebuild: %v", err)
		}
		f.look(t, map[string]int64{"user:u": f.start.Unix() + 20, "token:new": 0}, "user:u", "token:new")
	}},
	{"all kinds", func(t *testing.T, f *fastTest) {
		f.rebuild(t)
		f.put(t,
			f.entry(signet.RevokedToken, "t", time.Second), f.entry(signet.RevokedGrant, "g", time.Second),
			f.entry(signet.RevokedSession, "s", 0), f.entry(signet.RevokedKey, "k", 0),
			f.entry(signet.RevokedClient, "c", time.Second), f.entry(signet.RevokedUser, "u", 0),
			f.entry(signet.RevokedPrincipal, "biller:b", time.Second), f.entry(signet.RevokedCredential, "biller:b#1", time.Second))
		f.look(t, map[string]int64{
			"token:t": 0, "grant:g": 0, "session:s": 0, "key:k": 0, "client:c": f.start.Unix() + 1, "user:u": 0,
			"principal:biller:b": f.start.Unix() + 1, "credential:biller:b#1": 0,
		}, "token:t", "grant:g", "session:s", "client:c", "user:u", "key:k", "principal:biller:b", "credential:biller:b#1", "principal:biller:b#1")
	}},
	{"not-before is rounded up to the second", func(t *testing.T, f *fastTest) {
		f.rebuild(t)
		f.put(t, f.entry(signet.RevokedUser, "u", 1500*time.Millisecond), f.entry(signet.RevokedUser, "v", 2*time.Second))
		f.look(t, map[string]int64{"user:u": f.start.Unix() + 2, "user:v": f.start.Unix() + 2}, "user:u", "user:v")
	}},
	{"an older not-before never puts a newer one back", func(t *testing.T, f *fastTest) {
		// Two nodes drain one outbox: the order of their writes is nobody's.
		f.rebuild(t)
		f.put(t, f.entry(signet.RevokedUser, "u", 30*time.Second))
		f.put(t, f.entry(signet.RevokedUser, "u", 10*time.Second))
		f.look(t, map[string]int64{"user:u": f.start.Unix() + 30}, "user:u")
		f.put(t, f.entry(signet.RevokedUser, "u", 40*time.Second))
		f.look(t, map[string]int64{"user:u": f.start.Unix() + 40}, "user:u")
		f.put(t, f.entry(signet.RevokedUser, "u", 0))
		f.put(t, f.entry(signet.RevokedUser, "u", 50*time.Second))
		f.look(t, map[string]int64{"user:u": 0}, "user:u")
	}},
	{"an earlier expiry never shortens", func(t *testing.T, f *fastTest) {
		f.rebuild(t)
		short := f.entry(signet.RevokedToken, "a", 0)
		short.ExpiresAt = f.start.Add(time.Minute)
		f.put(t, f.entry(signet.RevokedToken, "a", 0))
		f.put(t, short)
		f.clock.Advance(time.Hour - time.Millisecond)
		f.look(t, map[string]int64{"token:a": 0}, "token:a")
		f.clock.Advance(time.Millisecond)
		f.look(t, nil, "token:a")
	}},
	{"an entry that is over counts no more", func(t *testing.T, f *fastTest) {
		f.rebuild(t)
		f.put(t, f.entry(signet.RevokedUser, "u", 0))
		f.clock.Advance(time.Hour)
		later := signet.Revocation{
			Kind: signet.RevokedUser, Subject: "u", Before: f.clock.Now(), ExpiresAt: f.clock.Now().Add(time.Hour),
		}
		f.put(t, later)
		f.look(t, map[string]int64{"user:u": f.start.Unix() + 3600}, "user:u")
	}},
	{"an entry that was over before it came", func(t *testing.T, f *fastTest) {
		// The outbox may lie for long.
		f.rebuild(t)
		f.clock.Advance(48 * time.Hour)
		f.put(t, f.entry(signet.RevokedToken, "a", 0))
		f.look(t, nil, "token:a")
	}},
	{"a thousand entries", func(t *testing.T, f *fastTest) {
		var entries []signet.Revocation
		var keys []string
		want := map[string]int64{}
		for i := range 1000 {
			entries = append(entries, f.entry(signet.RevokedToken, fmt.Sprint(i), 0))
			keys = append(keys, "token:"+fmt.Sprint(i))
			want[keys[i]] = 0
		}
		f.rebuild(t, entries...)
		f.put(t, entries...)
		f.look(t, want, keys...)
	}},
	{"nothing to put", func(t *testing.T, f *fastTest) {
		f.put(t)
		f.rebuild(t)
		f.put(t)
		f.look(t, nil)
	}},
	{"64 puts at once keep the newest", func(t *testing.T, f *fastTest) {
		f.rebuild(t)
		numbers := make(chan time.Duration, 64)
		for i := range 64 {
			numbers <- time.Duration(i+1) * time.Second
		}
		for _, err := range together(64, func() error {
			return f.Put(t.Context(), []signet.Revocation{f.entry(signet.RevokedClient, "c", <-numbers)})
		}) {
			if err != nil {
				t.Fatalf("Put: %v", err)
			}
		}
		f.look(t, map[string]int64{"client:c": f.start.Unix() + 64}, "client:c")
	}},
}
