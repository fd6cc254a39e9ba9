// Package signet holds the words of the domain: clients, users, sessions, grants, codes, tokens, keys, events and
// errors. It uses the standard library only and knows no wire format, no database and no HTTP framework.
//
//	login ──▶ Session ──▶ Grant (one login or one consent = one token family)
//	                        ├─▶ AuthorizationCode (single use, 60 s)
//	                        ├─▶ RefreshToken generation 0 ─▶ 1 ─▶ 2 …
//	                        └─▶ access tokens (JWT: never stored; opaque: hashed)
//
// Everything that can be taken back is named by a Revocation.
package signet
