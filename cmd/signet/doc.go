// Command signet is the server and its tools, and the only composition root: wire.go ties every room to its stores,
// and is read from top to bottom.
//
//	signet serve --config FILE     production: PostgreSQL and Redis, TLS or behind a proxy
//	signet dev                     everything on this machine: SQLite, seeded, /demo
//	signet migrate up|status       the schema
//	signet admin init              the first admin key
//	signet client …, user …, key … speak to the admin API of a running server (--server), or with --config work on
//	                               the stores through the same handlers
//	signet biller …, resource-server …, account …, apikey …, device …, pin-application …
//	                               the same for the records of the five contracts
//	signet try hmac|payer|intent|pin|apikey|partner
//	                               a caller's flow against a server, every byte shown
//
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict, 5 unavailable.
package main
