// Package grid asks every door of signet serve, on PostgreSQL and Redis, in every state of everybody who stands behind
// it: a check that was added to one grant and forgotten in its sibling shows as one wrong cell.
//
//	door        a way to get a token, or to use one      doors_test.go
//	principal   client, user, biller, account, key, …    world_test.go
//	state       active, disabled, enabled again, gone,   states_test.go
//	            rotated, ended, locked
//	cell        what the door must answer                rules_test.go
//
// Every column, a principal in a state, has a world of its own and begins with every door open. What the doors answered is
// kept in testdata/grid.golden, so that a change is seen in review; `go test ./test/grid -update` writes it.
package grid
