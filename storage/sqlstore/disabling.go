package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// staleFor is how long after something was disabled a token may still be issued for it: by a node whose record is old,
// in a transaction that had begun.
const staleFor = freshFor + callTimeout

// disable sets or lifts disabled_at of the one row that where finds, and reports whether it did: what is already so is
// left alone. Where the table has not_before, disabling moves it to limit, which the journal's entry must say, too, and
// enabling past what nodes with an old record may have issued since, never back. The row is held from the read on, so
// that of two acts the later one sees the limit of the former. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) disable(ctx context.Context, t *transaction, r disabling) (limit time.Time, done bool, err error) {
	var row struct{ DisabledAt, NotBefore *time.Time }
	columns := "disabled_at"
	if r.notBefore {
		columns += ", not_before"
	}
	err = s.one(ctx, &row, "SELECT "+columns+" FROM "+r.table+" WHERE "+r.where+s.forUpdate(), r.args...)
	if err != nil || (row.DisabledAt != nil) == r.disabled {
		return time.Time{}, false, err
	}
	now := s.now() // after the wait for the row
	set, args, guard := "disabled_at = NULL", []any{}, "disabled_at IS NOT NULL"
	if r.disabled {
		set, args, guard = "disabled_at = ?", append(args, now), "disabled_at IS NULL"
		limit = signet.NextLimit(now, latest(orZero(row.NotBefore), r.also))
	} else {
		limit = enabledAfter(*row.DisabledAt, orZero(row.NotBefore), now)
	}
	if r.notBefore {
		set, args = set+", not_before = ?", append(args, limit)
	}
	if r.updatedAt {
		set, args = set+", updated_at = ?", append(args, now)
	}
	n, err := s.exec(ctx, "UPDATE "+r.table+" SET "+set+", version = version + 1 WHERE "+r.where+" AND "+guard, append(args, r.args...)...)
	return limit, n == 1, err
}

// disabling is one call of disable: the row and what its table has.
type disabling struct {
	table     string
	where     string
	args      []any
	disabled  bool
	notBefore bool
	also      time.Time // another limit by which tokens of the subject may have been dated
	updatedAt bool
}

// enabledAfter is the limit of what is enabled now: past what nodes with an old record may have issued, never back.
func enabledAfter(disabled, limit, now time.Time) time.Time {
	past := utc(disabled).Add(staleFor)
	if past.After(now) {
		past = now
	}
	return latest(past, limit)
}

// latest is the later one of two times, in UTC.
func latest(a, b time.Time) time.Time {
	if b.After(a) {
		a = b
	}
	if a.IsZero() {
		return a
	}
	return a.UTC()
}
