// Package keys is the ring: every key that signet signs, hashes, seals or computes with. It owns their making, sealing
// at rest, rotation, the public set (JWKS) and the primitives that use them. It does not know what a token says.
//
//	           PublishAt         ActivateAt           RetireAt             RemoveAt          + HintRetention
//	planned ──────▶ published ──────▶ active ──────▶ retiring ──────▶ gone ───────────────────▶ forgotten
//	                in the JWKS       signs          verifies         verifies id_token_hint
//	                one max-age
//	any ──▶ revoked: out of the JWKS and of every check at once, a successor signs at once
//
// States are no column. They follow from a key's times, so that all nodes change together and no message must arrive
// first. A Ring reads an immutable snapshot; the snapshot knows until when it is true and is made anew on the first use
// after that, from keys already opened, without the store.
//
// At rest a private part is sealed with AES-256-GCM under a named key-encryption key (seal.go); texts handed to
// browsers are sealed with XChaCha20-Poly1305 under a key of the ring (flow.go). The keys of records (a biller's HMAC key,
// a PIN application's AES key) are sealed by the same vault and opened for the rooms that use them (record.go).
//
// Tokens are encrypted to resource servers, and opened where signet holds the private key (jwe.go, recipient.go).
package keys
