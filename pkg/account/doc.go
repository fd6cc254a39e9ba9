// Package account is accounts, who may act for them, and with what: memberships of people, API keys, the table of roles
// (wire.md, 1). It owns the one proof of callers of /api/… (Caller), the one decision who may do what (verdict), and
// the proof of an API key at the token endpoint (ProveAPIKey). It owns no record: the homes are behind the ports.
//
//	request ─▶ caller.go: X-Api-Key, or an access token ─▶ access.go: the route's need ─▶ handler ─▶ port
//	           │ 400 two credentials, 401, 429             │ 403 own account, 404        │ 400 409 412
//	           └───────── problem details (RFC 9457), one table: problem.go ◀────────────┘
//
//	/api/accounts                                 POST        by type: access.go
//	/api/accounts/{accountId}                     GET PUT     accounts:read, accounts:update
//	/api/account-memberships                      GET         any caller
//	/api/accounts/{accountId}/members             GET POST    accounts:read, accounts:update
//	/api/accounts/{accountId}/members/{userId}    DELETE      accounts:update
//	/api/accounts/{accountId}/api-keys            POST GET    api-keys:create, api-keys:list
//	/api/accounts/{accountId}/api-keys/{name}     PUT         api-keys:update
//	/api/permissions/check                        POST        any caller
//
// A member added here is pending until the person accepted it; that happens with the operator's API (a page at /account
// is future work), never by who added.
package account
