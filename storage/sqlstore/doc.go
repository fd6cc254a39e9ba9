// Package sqlstore is the SQL home of every record: PostgreSQL is the truth in production, SQLite (pure Go) the embedded
// default of `signet dev`. One schema, one migration history, the same statements on both. It owns gorm, pgx and the
// SQLite driver; no type of theirs leaves it.
//
//	a room's call ──▶ one statement, or InTx ┐
//	                                         │ rows of the act (conditional statements decide races)
//	                                         │ ── flush, last, under the store's mutex ──
//	                                         │ audit_events   node, seq, prev, hash
//	                                         │ change_head    n = n + k, held until commit
//	                                         │ changes        one row a number
//	                                         │ revocations    the journal; its position is such a number
//	                                         └ commit ──▶ OnRevoked, Changed, local cache
//
//	Run: poller (changes, every 400 ms or when woken) ──▶ caches, OnChange
//	     writer of traffic events (batches), retention (small batches), preload of the billers
//
// Cached, so that a warm read costs no statement: clients, users, billers, resource servers, invoices, accounts, memberships,
// API keys, devices. Sealed keys ride in their owner's record. A record that is found by a second name
// too (audience, instance, hash of an API key) has that name cached apart, and itself once. The ids of all billers are
// remembered as well, so that unknown ones cost no statement, and PIN applications not at all: either way one that exists
// and one that does not take the same time.
//
// Tokens, codes, cookies and secrets are stored as keyed hashes. Statements never ask the database for its clock: times
// come from the injected now, in UTC, with microseconds. Bind values are never logged.
//
// Every method returns *signet.Error: CodeNotFound, CodeConflict, CodeUsed, CodeRevoked, CodeExpired, CodeInvalidRequest
// for text a database cannot hold, CodeUnavailable for everything else, without SQL in the message.
package sqlstore
