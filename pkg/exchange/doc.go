// Package exchange is the identity exchange (wire.md, 3): a biller vouches with an HMAC for one of its invoices or payers,
// and signet gives a token for it. The room owns what is signed (scheme.go), the one list of checks behind the grant and
// the legacy endpoints (prove.go), and the invoices. It mints nothing and stores nothing: that is behind the ports.
//
//	POST /token (grant) ──────────────┐                                        ┌▶ TokenOrder, minted by the edge
//	POST /api/v1/tokens ─────┐        ├─▶ ProveIdentity: form, limits, biller, ─┤
//	POST /api/v1/payertokens ┴▶ strict┘   key, time, client, invoice, target,   └▶ one refusal for every failed credential
//	                            JSON      replay mark last (prove.go)
//
//	GET /api/v1/invoices/{invoiceGuid} ─▶ token of the exchange ─▶ live source (shouldRTRefresh) or stored copy
//	PUT /api/v1/invoices/{invoiceGuid} ─▶ token of the biller's client, scope invoices:write
//	POST /test, /payertest             ─▶ the same body, signed: demo billers of signet dev only
//	GET /health, /healthdetails
//
// # What a biller signs
//
// Scheme v2, recommended, is HMAC over a list of named fields. Each is written
//
//	<bytes of name>:<name>,<bytes of value>:<value>,
//
// first the field purpose with the value signet-identity-v2, then biller_id, then invoice_id, or user_id and timestamp.
// GUIDs are lower case, 8-4-4-4-12; the timestamp is written as it is sent. The HMAC is HMAC-SHA256. For the biller
// 7d0a4d6e-2f53-4b1e-9c11-0a6f5f0f9b01, its payer 5b9cf5a2-6a1d-4e0a-8a4c-3f8c2f1f7e02 and the time 1700000000:
//
//	7:purpose,18:signet-identity-v2,9:biller_id,36:7d0a4d6e-2f53-4b1e-9c11-0a6f5f0f9b01,7:user_id,36:5b9cf5a2-6a1d-4e0a-8a4c-3f8c2f1f7e02,9:timestamp,10:1700000000,
//
// Under the key of the 32 ASCII bytes "0123456789abcdef0123456789abcdef" its hmac is
//
//	5ed57138321ae0695d2d6e697f064b157db68d7a4b3cb70712509a2d7acdac27
//
// No byte of a value can be taken for a boundary, and nothing that is signed for another purpose begins like this.
// Scheme v1 joins the same values with "|"; a custom scheme says how (signet.HMACScheme, CheckScheme).
package exchange
