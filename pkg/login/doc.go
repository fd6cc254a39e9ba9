// Package login is a person in a browser: login, consent, session and logout, the accounts they belong to, and what they
// choose as passwords. It changes stored state and sends the browser back to /authorize, where every return is a fresh decision; it never issues
// anything itself and knows no protocol beyond RP-Initiated Logout.
//
//	/authorize ──303──▶ GET /login ─▶ POST /login ───┐            flow: the sealed request, bound to this browser
//	     ▲      ──303──▶ GET /consent ─▶ POST ───────┤
//	     └───────────────────303─────────────────────┘
//
//	GET,POST /logout ─▶ hint of this very session ─────────────▶ ended ─▶ registered URI with state, or /logged-out
//	                 └▶ anything else ─▶ confirm page ─▶ POST ──┘
//
//	GET /account ─▶ invitations, memberships ─▶ POST accept, decline, leave ─303─▶ GET /account
//
// Cookies, all HttpOnly, SameSite=Lax, Path=/, and over https with the __Host- prefix and Secure:
//
//	signet_session  secret of the session, stored hashed; new at each login
//	signet_browser  secret that binds flows to this browser; until the browser closes
//	signet_known    sealed; names that have logged in here before, so that nobody else's guesses lock them out
//
// A guess at a password is counted before the password is looked at (throttle.go), an unknown name costs the same argon2id
// work as a known one, and passwords wait for a worker by turns (turns.go).
package login
