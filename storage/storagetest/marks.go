package storagetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Marks is the home of replay marks under test (clientauth.Marks).
type Marks interface {
	Use(ctx context.Context, mark signet.Mark) error
}

// RunMarks proves a home of replay marks. open returns a home that holds no mark of this test and reads the time from
// now. Marks of the suite are issued 2 minutes after open, past any epoch that a home sets when it starts.
func RunMarks(t *testing.T, open func(t *testing.T, now func() time.Time) Marks) {
	t.Helper()
	// Years before and after the machine's clock: only the injected time may decide.
	for _, start := range []time.Time{
		time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC),
		time.Now().Truncate(time.Millisecond),
		time.Date(2093, 3, 4, 5, 6, 7, 0, time.UTC),
	} {
		t.Run(start.Format("2006"), func(t *testing.T) {
			for _, c := range marksCases {
				t.Run(c.name, func(t *testing.T) {
					clock := NewClock(start)
					home := open(t, clock.Now)
					clock.Advance(2 * time.Minute)
					c.run(t, &marksTest{Marks: home, clock: clock, id: signet.NewID()})
				})
			}
		})
	}
}

// marksTest is one case's home, time and name.
type marksTest struct {
	Marks
	clock *Clock
	id    string
}

// mark returns a mark that is issued now and lives for a minute.
func (m *marksTest) mark(space, key string) signet.Mark {
	now := m.clock.Now()
	return signet.Mark{Space: space, Key: m.id + key, IssuedAt: now, ExpiresAt: now.Add(time.Minute)}
}

// use fails the test unless Use ends with the wanted code ("" for acceptance).
func (m *marksTest) use(t *testing.T, mark signet.Mark, want signet.Code) {
	t.Helper()
	if err := m.Use(t.Context(), mark); signet.CodeOf(err) != want {
		t.Fatalf("Use(%s): got %v, want code %q", mark.Space, err, want)
	}
}

var marksCases = []struct {
	name string
	run  func(t *testing.T, m *marksTest)
}{
	{"a mark is accepted once", func(t *testing.T, m *marksTest) {
		m.use(t, m.mark("assertion", "jti"), "")
		m.use(t, m.mark("assertion", "jti"), signet.CodeUsed)
		m.use(t, m.mark("assertion", "jti"), signet.CodeUsed)
	}},
	{"spaces and keys are apart", func(t *testing.T, m *marksTest) {
		// AST-13: the jti of another client must not collide. The last two differ only in where the space ends.
		m.use(t, m.mark("assertion", "client-a jti"), "")
		m.use(t, m.mark("assertion", "client-b jti"), "")
		m.use(t, m.mark("dpop", "client-a jti"), "")
		now := m.clock.Now()
		m.use(t, signet.Mark{Space: "a" + m.id, Key: "b", IssuedAt: now, ExpiresAt: now.Add(time.Minute)}, "")
		m.use(t, signet.Mark{Space: "a", Key: m.id + "b", IssuedAt: now, ExpiresAt: now.Add(time.Minute)}, "")
	}},
	{"letter case and trailing blanks count", func(t *testing.T, m *marksTest) {
		for _, key := range []string{"jti", "JTI", "jti ", " jti"} {
			m.use(t, m.mark("assertion", key), "")
		}
	}},
	{"any bytes and any length", func(t *testing.T, m *marksTest) {
		long := strings.Repeat("x", 1<<20)
		for _, key := range []string{long, long + "y", "\x00", "\xff\xfe", "{m3}", "a\r\nSET b c", ""} {
			m.use(t, m.mark("assertion", key), "")
			m.use(t, m.mark("assertion", key), signet.CodeUsed)
		}
	}},
	{"used until the last moment", func(t *testing.T, m *marksTest) {
		// AST-14: again at exp + skew - 1: the mark lives as long as what it guards.
		mark := m.mark("assertion", "jti")
		m.use(t, mark, "")
		m.clock.Advance(time.Minute - time.Millisecond)
		m.use(t, mark, signet.CodeUsed)
	}},
	{"what is over is not accepted", func(t *testing.T, m *marksTest) {
		mark := m.mark("assertion", "jti")
		m.use(t, mark, "")
		m.clock.Advance(time.Minute)
		m.use(t, mark, signet.CodeUsed)
		m.use(t, mark, signet.CodeUsed)
		never := m.mark("assertion", "other")
		never.ExpiresAt = m.clock.Now()
		m.use(t, never, signet.CodeUsed)
	}},
	{"a name is free again after its mark's end", func(t *testing.T, m *marksTest) {
		m.use(t, m.mark("assertion", "jti"), "")
		m.clock.Advance(time.Minute)
		m.use(t, m.mark("assertion", "jti"), "")
		m.use(t, m.mark("assertion", "jti"), signet.CodeUsed)
	}},
	{"a refused use changes nothing", func(t *testing.T, m *marksTest) {
		m.use(t, m.mark("assertion", "jti"), "")
		long := m.mark("assertion", "jti")
		long.ExpiresAt = long.ExpiresAt.Add(time.Hour)
		m.use(t, long, signet.CodeUsed)
		m.clock.Advance(time.Minute)
		m.use(t, m.mark("assertion", "jti"), "")
	}},
	{"64 at once, one accepted", func(t *testing.T, m *marksTest) {
		// AST-14
		wantOne(t, m, m.mark("assertion", "jti"))
	}},
	{"64 at once for a name that is free again, one accepted", func(t *testing.T, m *marksTest) {
		m.use(t, m.mark("assertion", "jti"), "")
		m.clock.Advance(time.Minute)
		wantOne(t, m, m.mark("assertion", "jti"))
	}},
	{"a caller that is gone gets nothing", func(t *testing.T, m *marksTest) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := m.Use(ctx, m.mark("assertion", "jti")); !errors.Is(err, signet.ErrUnavailable) {
			t.Fatalf("Use with an ended context: got %v, want CodeUnavailable", err)
		}
	}},
}

// wantOne uses a mark 64 times at once and fails unless exactly one is accepted and 63 are used.
func wantOne(t *testing.T, home Marks, mark signet.Mark) {
	t.Helper()
	got := map[signet.Code]int{}
	var other error
	for _, err := range together(64, func() error { return home.Use(t.Context(), mark) }) {
		got[signet.CodeOf(err)]++
		if err != nil && !errors.Is(err, signet.ErrUsed) {
			other = err
		}
	}
	if got[""] != 1 || got[signet.CodeUsed] != 63 {
		t.Fatalf("64 uses at once: got %v, want 1 accepted and 63 used; one of the others: %v", got, other)
	}
}

// together runs n calls that start at once and returns what each returned.
func together[T any](n int, call func() T) []T {
	results := make([]T, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			results[i] = call()
		})
	}
	close(start)
	all.Wait()
	return results
}
