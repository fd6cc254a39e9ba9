// Package soak keeps two nodes of signet serve, on PostgreSQL and Redis, under a steady mixed load: every route of the
// table is called, by many callers at once, while keys rotate and records change. It fails on a report of the race
// detector, a panic, a 500, an answer that nobody should get, a route that was never called, and on goroutines that stay.
//
// In every run of the tests it is a short one with the usual binary. `make soak` is the long one (attack EXH-05): a binary
// with the race detector, 200 requests a second, 10 minutes; SOAK changes how long.
package soak
