// Package revocation answers one question: has this token been taken back? It owns the check and the way of an entry
// from the journal to the fast home; it owns neither the journal's rows, which the acts write in their own transactions,
// nor what makes a token valid otherwise.
//
//	act (SQL transaction) ─▶ journal row ─after commit─▶ Push ─▶ fast home ─▶ noted as pushed
//	                             │                                   ▲
//	                             └── not pushed: Run, every 400 ms ──┘   (any node; each puts new ones to its own, too)
//
//	Revoked ─▶ fast home, one round trip ─▶ known, and the outbox was seen empty less than 1 s ago: its answer
//	                                     └▶ failed, memory lost, or outbox unseen: the journal ─▶ failed: CodeUnavailable
//
// A node whose call to the fast home failed asks the journal until it has seen the outbox empty again, so that no node
// ever takes "revoked" back.
//
// Each node also puts every live entry itself, once, before it trusts its fast home and then as entries come: another
// node may have put them to another server, when a failover left this one with a master that was cut off.
//
// So a token that was taken back is refused from the next request after the answer when the revoking node reached the
// fast home, else within 1 s, and never accepted because a store is away or has lost its memory.
package revocation
