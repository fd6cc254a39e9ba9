package sqlstore

import (
	"context"
	"time"
)

// disable sets or lifts disabled_at of the one row that where finds, and reports whether it did: what is already so is
// left alone. Where the table has not_before, disabling moves it to now, and enabling past what nodes with an old record
// may have issued since (SetClientDisabled). Errors: CodeNotFound, CodeUnavailable.
func (s *Store) disable(ctx context.Context, t *transaction, r disabling) (done bool, err error) {
	var row struct{ DisabledAt *time.Time }
	err = s.one(ctx, &row, "SELECT disabled_at FROM "+r.table+" WHERE "+r.where, r.args...)
	if err != nil || (row.DisabledAt != nil) == r.disabled {
		return false, err
	}
	set, args, guard := "disabled_at = NULL", []any{}, "disabled_at IS NOT NULL"
	notBefore := t.now
	if r.disabled {
		set, args, guard = "disabled_at = ?", append(args, t.now), "disabled_at IS NULL"
	} else if past := row.DisabledAt.UTC().Add(staleFor); past.Before(t.now) {
		notBefore = past
	}
	if r.notBefore {
		set, args = set+", not_before = ?", append(args, notBefore)
	}
	if r.updatedAt {
		set, args = set+", updated_at = ?", append(args, t.now)
	}
	n, err := s.exec(ctx, "UPDATE "+r.table+" SET "+set+", version = version + 1 WHERE "+r.where+" AND "+guard, append(args, r.args...)...)
	return n == 1, err
}

// disabling is one call of disable: the row and what its table has.
type disabling struct {
	table     string
	where     string
	args      []any
	disabled  bool
	notBefore bool
	updatedAt bool
}
