// Package clientauth answers one question for every endpoint: which client is this, and is it proven? It is the only
// prover of clients. It issues nothing and decides nothing about grants or scopes.
//
//	Authorization: Basic …          ─┐
//	client_secret in the form       ─┤  exactly one      known? enabled? registered   ┌ secret    keyed hash, constant time
//	client_assertion in the form    ─┼─▶ presented ─────▶ for this method? allowed ──▶┤ assertion the list of assertion.go
//	client_id and a certificate     ─┤  (method.go)       from here? (auth.go)        ├ certificate  certificate.go (RFC 8705)
//	client_id alone                 ─┘                                                └ none      nothing to prove
//
// A certificate beside an assertion is transport: it must be the registered one where the record says so, and may bind the
// tokens. Clients' keys stand in the record, or are fetched from their jwks_uri (fetch.go): bounded, cached, one fetch a
// minute and client at most, from public addresses alone. certified.go makes key sets of partners' certificates,
// evidence.go lets a partner into production, explain.go tells a partner what is wrong with its assertion.
//
// Whatever is wrong, the caller reads the same sentence after about the same work; the precise reason goes to the event
// log. The one exception are clients registered with assertion_error: document (wire.md, 2).
package clientauth
