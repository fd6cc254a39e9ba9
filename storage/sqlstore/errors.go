package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/signet-auth/signet/pkg/signet"
)

// SQLSTATE values (PostgreSQL, appendix A).
const (
	stateUnique      = "23505"
	stateForeignKey  = "23503"
	stateBadText     = "22021"
	stateTooLong     = "22001"
	stateSerialise   = "40001"
	stateDeadlock    = "40P01"
	stateLockTimeout = "55P03"
)

// translate turns a driver's error into ours: the only place that knows what a driver says. A *signet.Error passes.
// Causes name state and constraint, never SQL text or values.
func translate(err error) error {
	if err == nil {
		return nil
	}
	var ours *signet.Error
	if errors.As(err, &ours) {
		return err
	}
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return signet.ErrNotFound
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		cause := fmt.Errorf("SQLSTATE %s %s", pg.Code, pg.ConstraintName)
		switch pg.Code {
		case stateUnique:
			return &signet.Error{Code: signet.CodeConflict, Cause: cause}
		case stateForeignKey:
			return &signet.Error{Code: signet.CodeNotFound, Reason: "reference", Cause: cause}
		case stateBadText, stateTooLong:
			return &signet.Error{Code: signet.CodeInvalidRequest, Cause: cause}
		case stateSerialise, stateDeadlock, stateLockTimeout:
			// Whoever held the row for a second has most likely let go; an act's whole deadline still holds.
			return signet.Unavailable(&retryable{cause})
		}
		return signet.Unavailable(cause)
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		cause := fmt.Errorf("SQLite code %d", lite.Code())
		if lite.Code() == sqlitelib.SQLITE_ERROR {
			cause = lite // a fault in our statement: the message names a column, never a value
		}
		switch lite.Code() {
		case sqlitelib.SQLITE_CONSTRAINT_UNIQUE, sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY:
			return &signet.Error{Code: signet.CodeConflict, Cause: cause}
		case sqlitelib.SQLITE_CONSTRAINT_FOREIGNKEY:
			return &signet.Error{Code: signet.CodeNotFound, Reason: "reference", Cause: cause}
		}
		return signet.Unavailable(cause)
	}
	return signet.Unavailable(err)
}

// retryable marks a failure after which the same transaction may well succeed.
type retryable struct{ cause error }

// Error returns the cause's text.
func (r *retryable) Error() string { return r.cause.Error() }

// Unwrap returns the cause.
func (r *retryable) Unwrap() error { return r.cause }

func mayRetry(err error) bool {
	var r *retryable
	return errors.As(err, &r)
}

// maxLookup bounds what may be looked up by text; no identifier of ours or of a client is longer.
const maxLookup = 1024

// findable reports whether a text can be in a text column at all. PostgreSQL refuses NUL and invalid UTF-8 with an
// error; to a caller such a text simply names nothing.
func findable(text string) bool {
	return text != "" && len(text) <= maxLookup && utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// storable refuses text that cannot be in a column of both engines.
func storable(texts ...string) error {
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
			return signet.NewError(signet.CodeInvalidRequest, "A value contains characters that are not allowed.", "text_encoding")
		}
	}
	return nil
}

// maxEventText bounds one field of an event: callers choose some of them (a login name that failed).
const maxEventText = 512

// cleanText makes any text storable, so that no request can keep its own event from being written.
func cleanText(text string) string {
	if len(text) > maxEventText {
		text = text[:maxEventText]
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	return strings.ReplaceAll(text, "\x00", "\uFFFD")
}

// utc is how times are written: UTC, microseconds, on both engines.
func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// createdAt is when a record was made: as given, or the transaction's now.
func createdAt(given, now time.Time) time.Time {
	if given.IsZero() {
		return now
	}
	return utc(given)
}

// utcOrNil writes the zero time as NULL.
func utcOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = utc(t)
	return &t
}

// utcPtr copies a time that may be absent.
func utcPtr(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return utcOrNil(*t)
}

// orZero reads NULL as the zero time.
func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// orNil writes "" as NULL.
func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// orEmpty reads NULL as "".
func orEmpty[T ~string](text *string) T {
	if text == nil {
		return ""
	}
	return T(*text)
}
