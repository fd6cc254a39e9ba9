// Package clientauth answers one question for every endpoint: which client is this, and is it proven? It is the only
// prover of clients. It issues nothing and decides nothing about grants or scopes.
//
//	Authorization: Basic …          ─┐
//	client_secret in the form       ─┤  exactly one      known? enabled? registered   ┌ secret    keyed hash, constant time
//	client_assertion in the form    ─┼─▶ presented ─────▶ for this method? allowed ──▶┤ assertion the list of assertion.go
//	client_id alone                 ─┘  (method.go)       from here? (auth.go)        └ none      nothing to prove
//
// Whatever is wrong, the caller reads the same sentence after about the same work; the precise reason goes to the event
// log. The one exception are clients registered with assertion_error: document (wire.md, 2).
package clientauth
