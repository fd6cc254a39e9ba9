// Package storagetest holds one suite per record, run against every home of that record: what is promised of a store is
// proven the same way for SQLite, PostgreSQL and Redis.
//
//	attempts, marks      SQLite · PostgreSQL · Redis     (RunAttempts, RunMarks)
//	fast revocations     Redis                           (RunFast)
//	everything else      SQLite · PostgreSQL             (the tests of this package)
//
// It is the one package outside tests that may import testing. It owns the test databases (Database) and the clock that
// moves only when a test says so (Clock).
package storagetest
