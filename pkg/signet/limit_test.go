package signet_test

import (
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 300e6, time.UTC)
	at := func(seconds float64) time.Time {
		return now.Truncate(time.Second).Add(time.Duration(seconds * float64(time.Second)))
	}
	for _, tc := range []struct {
		name           string
		previous, want time.Time
	}{
		{"none before", time.Time{}, now},
		{"long ago", at(-100), now},
		{"in the second before", at(-0.7), at(1)},
		{"in this second", at(0.2), at(2)},
		{"at this very moment", now, at(2)},
		{"the second of this second", at(2), at(3)},
		{"almost at the bound", at(6), at(7)},
		{"at the bound: no further", at(7.2), at(7.3)},
		{"an operator's, far ahead: it stays", at(3600), at(3600)},
	} {
		if got := signet.NextLimit(now, tc.previous); !got.Equal(tc.want) {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	if at, ok := signet.FirstSecond(now, time.Time{}, at(4), at(-9)); !ok || at.Unix() != now.Unix()+5 {
		t.Errorf("first second %s %t", at, ok)
	}
	if at, ok := signet.FirstSecond(now, at(5)); ok {
		t.Errorf("made beyond the bound: %s", at)
	}
	for limit, want := range map[time.Time]time.Time{
		{}: now, at(-1): now, now: now, at(2): at(2).Add(time.Microsecond), at(5.3): now, at(3600): now,
	} {
		if got := signet.Begin(now, limit); !got.Equal(want) {
			t.Errorf("begin with %s: %s, want %s", limit, got, want)
		}
	}
}

// However many revocations fall together, and whatever is made between them: the last one covers all of it, and what is
// made after it is out of its reach.
func TestLimitsCoverWhatWasMadeBetween(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{time.Microsecond, 90 * time.Millisecond, 400 * time.Millisecond, time.Second, 1100 * time.Millisecond} {
		now, limit, made := time.Date(2026, 3, 4, 5, 6, 7, 950e6, time.UTC), time.Time{}, int64(0)
		for i := range 40 {
			now = now.Add(step)
			limit = signet.NextLimit(now, limit)
			if made > signet.LastSecond(limit) {
				t.Errorf("every %s, revocation %d: %d is beyond %s", step, i, made, limit)
			}
			if limit.Sub(now) > signet.LimitAhead {
				t.Errorf("every %s, revocation %d: %s ahead", step, i, limit.Sub(now))
			}
			at, ok := signet.FirstSecond(now, limit)
			if ok && at.Unix() <= signet.LastSecond(limit) {
				t.Errorf("every %s, revocation %d: dead when made", step, i)
			}
			if ok {
				made = at.Unix()
			}
			// Another node, whose clock is a second before, makes something too.
			if at, ok := signet.FirstSecond(now.Add(time.Second), limit); ok {
				made = max(made, at.Unix())
			}
		}
		if _, ok := signet.FirstSecond(now.Add(4*time.Second), limit); !ok {
			t.Errorf("every %s: nothing can be made four seconds after the last", step)
		}
	}
}
