// Package oauth serves the OAuth 2.0 and OpenID Connect endpoints. It is the only home of fosite, which is its parser
// and state machine and not its security boundary: every check that matters is made here, before and after it.
//
//	/authorize   authorize.go ─▶ decide.go ─▶ login | consent | deny | issue ─▶ fosite ─▶ store.go (grant + code, one tx)
//	/token       token.go ─▶ clientauth ─▶ code.go | refresh.go ─▶ fosite ─▶ store.go (one tx) ─▶ issue.go, the one mint
//	                     └▶ vouched.go: a biller's HMAC or an API key, proven by a room ─▶ fosite ─▶ the same mint
//	/userinfo    userinfo.go   ─┐
//	/introspect  introspect.go ─┼▶ access.go: signature, typ, times, revocation, principals
//	/revoke      revoke.go     ─┘
//	/.well-known/…  discovery.go, jwks.go: prepared bytes
//
//	rooms        IssueToken (vouched.go), StartGrant and RefreshGrant (startgrant.go), Bearer (bearer.go): no HTTP, and no
//	             check of their own; the same principals, mint, events
//
// A request is parsed once into flat values; fosite sees a synthetic request made of exactly the few that its handlers
// read. What the edge has proven (the client, the code's row, the refresh token's row) travels to fosite's handlers in
// the context, see proof.go, so that each row is read once.
//
// It does not own: who the client is (pkg/clientauth), who the person is (pkg/login), keys (pkg/keys), what was taken
// back (pkg/revocation).
package oauth
