// Package pinlogin logs applications in with an AES-encrypted PIN (wire.md, 5). It translates: the tokens are those of
// the one core, disabled, introspected, revoked and rotated like every other. It owns the envelope, the modes in which a
// PIN arrives, and the limits of guesses; it owns no record.
//
//	POST /auth, POST /token (JSON)            {username, password}
//	  form ─▶ application ─▶ limits ─▶ state ─▶ network ─▶ mode ─▶ decrypt ─▶ PIN ─▶ time ─▶ nonce ─▶ grant ─▶ envelope
//	            │              │ 429    └───────────┴─────────┴───────┤        │      │        │
//	            └ unknown: a stand-in that does the same work         └ 401 ◀──┴──────┴────────┘  one body, one argon2id
//
//	POST /auth/refresh, POST /token/refresh   {refreshToken}
//	  form ─▶ row ─▶ application ─▶ network ─▶ rotation ─▶ envelope
//
// What is wrong before the PIN is compared is only noted: whatever the fault, exactly one argon2id verification follows,
// and the answer is the same. What consumes (the nonce) comes after everything that a stranger can reach.
package pinlogin
