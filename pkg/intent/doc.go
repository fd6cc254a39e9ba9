// Package intent is payment intents (wire.md, 4): short tokens that tell a hosted payment page what a merchant wants done.
// It owns the two endpoints, the proof of a device credential, and the intent's own token. API keys and access tokens are
// proven elsewhere, behind a port; accounts, devices and keys have their homes behind ports, too.
//
//	POST …/jwt/create    credential ─▶ account ─▶ Audience, Subject ─▶ sign
//	                     │ 400 401 429   │ 400 401   │ 400                └─▶ 200 {Message, Payload, Token}
//	POST …/jwt/validate  credential ─▶ Token ─▶ form ─▶ account ─▶ signature ─▶ claims ─▶ time ─▶ single use
//	                     │ 400 401 429  │ 400    └────────── 200 Valid: false ─────────┴──────────┘
//	                     every answer stands in the endpoint's own envelope, the HTTP kit's refusals too
//
// Who may call. Exactly one credential; two at once are 400, and rights are never merged.
//
//	X-Api-Key                       an enabled key of any role; it acts for its account
//	Authorization: Bearer or DPoP   an access token with the scope intents; a client's own token acts for the client's
//	                                account, a person's for the one account that the person is a member of
//	Authorization: {dcn}:{id}|{pw}  a device; it acts for its account. {id}|{pw} where the id is unique
//	Authorization: Basic            the same device: user {dcn}{id}, the last 36 characters are the id
//
// An access token without a scheme is refused: wire.md, 1 has that form for other endpoints. A token without the scope is
// answered like a wrong one. Only the account that made an intent can validate it, except for callers that may validate
// any: an API key or a person whose role has the global permission intents:validate-any, or a client's own token with
// that scope beside intents. A person's token never gets there by scope alone.
//
// Guesses. Failures at a device are counted by device and network (/24, /64). A right password is let in from every
// network that has not itself used up its failures at that very device: what strangers do elsewhere, or to other devices
// from the same network, locks nobody out. A network with too many failures over all devices is told to wait after each
// further failure. Unknown devices count and cost the same as known ones.
//
// The token. HS256 under the account's own key, header exactly {"typ":"JWT","alg":"HS256"}; or by the account's setting
// ES256 under a key of the ring, typ intent+jwt, so that no other token of ours, and no intent elsewhere, is ever taken
// for the other. device and dcn name the credential: for a device its own; for an API key the key's id, for a client or a
// person theirs (as it stands when it is a GUID, else a GUID derived from it), and dcn is empty. There is no identifier
// of the token: the same order made twice within one second is one token, and single_use spends it once.
//
// An intent ends with its time, its account or its key; not with the credential that made it. An account without a live
// key gets one with its first intent.
package intent
