package sqlstore

import (
	"context"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"

	"github.com/signet-auth/signet/pkg/signet"
)

// transaction is one database transaction. It travels in the context, the one thing of ours that does: rooms compose
// calls of several ports into one transaction without seeing a driver's type, and whatever a call inside does runs on
// the transaction's own connection. Nothing inside asks the pool for another one, or a full pool would wait for itself.
type transaction struct {
	db  *gorm.DB
	now time.Time // fixed

	// Collected, and written last (flush.go).
	events      []signet.Event
	revocations []signet.Revocation
	changes     []change

	// failed is the first error of a nested InTx: what it wrote is half done, so nothing may commit.
	failed error
	// head is the number of the last change once committed.
	head int64
	// after runs when the connection has been given back, whether committed or not (RevokeGrant).
	after []func(ctx context.Context) error
}

type txKey struct{ store *Store }

// current returns the transaction that ctx carries for this store, or nil.
func (s *Store) current(ctx context.Context) *transaction {
	t, _ := ctx.Value(txKey{s}).(*transaction)
	return t
}

// InTx runs fn in one transaction carried by the context; nested calls join it. The deadline is 2 s from here, waiting
// for a connection included, and now is fixed. An error of fn, or of a nested InTx whatever fn made of it, rolls all of
// it back. fn is run once. Errors: what fn returned, or CodeUnavailable.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.transact(ctx, func(ctx context.Context, _ *transaction) error { return fn(ctx) }, 0)
}

// act is InTx for the store's own acts, which are repeated after a deadlock, a lost serialisation or a lock that was held
// too long: at most 3 times, and within the one deadline.
func (s *Store) act(ctx context.Context, fn func(ctx context.Context, t *transaction) error) error {
	return s.transact(ctx, fn, 3)
}

func (s *Store) transact(ctx context.Context, fn func(context.Context, *transaction) error, retries int) error {
	if t := s.current(ctx); t != nil {
		err := fn(ctx, t)
		if err != nil && t.failed == nil {
			t.failed = err
		}
		return err
	}
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for {
		t := &transaction{}
		err := s.once(limited, t, fn)
		if err != nil && retries > 0 && mayRetry(err) {
			retries--
			if pause(limited, time.Millisecond+rand.N(20*time.Millisecond)) {
				continue
			}
		}
		if err == nil {
			s.settle(ctx, t)
		}
		for _, later := range t.after {
			if failure := later(ctx); failure != nil {
				err = failure
			}
		}
		return err
	}
}

// once runs one attempt.
func (s *Store) once(ctx context.Context, t *transaction, fn func(context.Context, *transaction) error) (err error) {
	if s.writer != nil {
		if err := slot(s.writer).take(ctx); err != nil {
			return err
		}
		defer slot(s.writer).leave()
	}
	db := s.db.WithContext(ctx).Begin()
	if db.Error != nil {
		return translate(db.Error)
	}
	t.db, t.now = db, s.now()
	done := false
	defer func() {
		if !done { // also when fn panics
			db.Rollback()
		}
	}()
	err = fn(context.WithValue(ctx, txKey{s}, t), t)
	if err == nil {
		err = t.failed
	}
	if err != nil {
		return err
	}
	done = true
	return s.commit(ctx, t)
}

// pause waits and reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// on returns where the statements of ctx run, bound to ctx with a deadline: the transaction, or the pool.
func (s *Store) on(ctx context.Context) (*gorm.DB, context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	if t := s.current(ctx); t != nil {
		return t.db.WithContext(ctx), ctx, cancel
	}
	return s.db.WithContext(ctx), ctx, cancel
}

// at is the time of a call: the transaction's, or now.
func (s *Store) at(ctx context.Context) time.Time {
	if t := s.current(ctx); t != nil {
		return t.now
	}
	return s.now()
}

// one reads one row into dest. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) one(ctx context.Context, dest any, query string, args ...any) error {
	db, _, cancel := s.on(ctx)
	defer cancel()
	result := db.Raw(query, args...).Scan(dest)
	if result.Error != nil {
		return translate(result.Error)
	}
	if result.RowsAffected == 0 {
		return signet.ErrNotFound
	}
	return nil
}

// all reads rows into a slice. Error: CodeUnavailable.
func (s *Store) all(ctx context.Context, dest any, query string, args ...any) error {
	db, _, cancel := s.on(ctx)
	defer cancel()
	return translate(db.Raw(query, args...).Scan(dest).Error)
}

// exec runs one statement and returns the number of rows it changed.
func (s *Store) exec(ctx context.Context, query string, args ...any) (int64, error) {
	db, limited, cancel := s.on(ctx)
	defer cancel()
	leave, err := s.enter(limited)
	if err != nil {
		return 0, err
	}
	defer leave()
	result := db.Exec(query, args...)
	return result.RowsAffected, translate(result.Error)
}

// write is one for a statement with RETURNING.
func (s *Store) write(ctx context.Context, dest any, query string, args ...any) error {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	leave, err := s.enter(limited)
	if err != nil {
		return err
	}
	defer leave()
	return s.one(limited, dest, query, args...)
}

// insert writes one row struct, all its columns.
func (s *Store) insert(ctx context.Context, row any) error {
	db, limited, cancel := s.on(ctx)
	defer cancel()
	leave, err := s.enter(limited)
	if err != nil {
		return err
	}
	defer leave()
	return translate(db.Create(row).Error)
}

// enter waits for the SQLite writer's place when a statement runs outside a transaction.
func (s *Store) enter(ctx context.Context) (leave func(), err error) {
	if s.writer == nil || s.current(ctx) != nil {
		return func() {}, nil
	}
	if err := slot(s.writer).take(ctx); err != nil {
		return nil, err
	}
	return slot(s.writer).leave, nil
}
