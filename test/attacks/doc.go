// Package attacks attacks the running binary: a `signet dev` of its own for every test, real sockets, real Chromium.
// Every test has the id of its attack in its name and begins with the request that must work, so that a server that
// refuses everything fails too. What a room can show more cheaply is tested in the room; docs/attacks.md says where, and
// TestTableIsTrue holds it to that.
//
//	once_test.go      codes, refresh tokens, assertions, password guesses, from 64 connections at once
//	params_test.go    duplicated, misplaced and malformed parameters
//	sockets_test.go   what no HTTP client would send: framing, headers, paths
//	headers_test.go   methods, CORS, caching and security headers of every route; cookies
//	statements_test.go  SQL in every input, on SQLite and PostgreSQL
//	input_test.go     script in every input
//	canary_test.go    no secret in the log, the metrics or the database
//	identity_test.go  identity exchange: hmacs, times, GUIDs, keys, captured links, strict JSON
//	applications_test.go, keys_test.go, intents_test.go  PIN logins, API keys, payment intents
//	encrypted_test.go, certificates_test.go              JWE, mutual TLS
//	assertions_test.go, clients_test.go, scopes_test.go  partners' assertions and key sets, client authentication, scopes
//	canary_contracts_test.go  no secret of the contracts in the log, the metrics or the database
//	load_test.go      floods: pending logins, slow logins
//	rotate_test.go    keys: published before use, revoked at once
//	table_test.go     docs/attacks.md against the tree
package attacks
