// Package admin is the operator's API on the admin listener: the registers of clients and users, those of the five
// contracts, the key ring and history. It owns the one check of who an operator is, and the one place where client metadata is judged. It owns no
// record: the homes are behind the ports.
//
//	request ─▶ access.go: admin API key, or token of an admin client ─▶ handler ─▶ port (act and event in one
//	           │ 401                                                    │ 400 404 409 412   transaction)
//	           └── problem details (RFC 9457), one table: problem.go ◀──┘
//
//	/admin/v1/me                                   GET
//	/admin/v1/clients                              GET POST
//	/admin/v1/clients/{client_id}                  GET PUT (If-Match)
//	/admin/v1/clients/{client_id}/disable, enable  POST
//	/admin/v1/clients/{client_id}/secrets          POST
//	/admin/v1/clients/{client_id}/evidence         GET, in CAT: a partner was served there
//	/admin/v1/clients/{client_id}/activate         POST, in production: lets that partner in
//	/admin/v1/users                                GET POST
//	/admin/v1/users/{sub}                          GET PUT (If-Match)
//	/admin/v1/users/{sub}/disable, enable          POST
//	/admin/v1/users/{sub}/password                 PUT
//	/admin/v1/keys, /admin/v1/keys/rotate, /admin/v1/keys/rewrap, /admin/v1/keys/{kid}/revoke
//	/admin/v1/events                               GET
//
//	/admin/v1/billers, …/{biller}, …/disable, …/enable, …/keys, …/keys/{kid}
//	/admin/v1/resource-servers, …/{server}, …/disable, …/enable
//	/admin/v1/accounts, …/{account}, …/disable, …/enable, …/intent-keys, …/members, …/api-keys, …/api-key-imports, …/devices
//	/admin/v1/pin-applications, …/{client_id}, …/disable, …/enable, …/keys, …/pin
//
// Secret keys are sealed by the ring before a register sees them, and shown once, when signet made them, by the answer
// that made them. testdata/routes.txt is the whole table.
//
// The commands of the binary call the same handlers, over HTTP or in their own process (AsOperator).
package admin
