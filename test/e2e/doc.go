// Package e2e drives the built binary from the outside, as its users do: client libraries of others, plain HTML forms
// and a real browser. It imports nothing of signet's.
//
//	binary.go     build signet once for a test run
//	process.go    start, wait until it answers, stop
//	dev.go        signet dev and its card
//	serve.go      signet serve on PostgreSQL and Redis, one or several nodes
//	servers.go    a PostgreSQL and a Redis of a test's own: to stop, to kill, to listen to
//	contracts.go  identities signed and requests sent as billers do
//	browser.go    a browser that knows forms, cookies and redirects, and nothing else
//	node.go       runs a script of js/ with the card; its exit code is the test's
//
// Services are named by SIGNET_TEST_POSTGRES, SIGNET_TEST_REDIS and SIGNET_TEST_CHROMIUM: `make test` sets them.
package e2e
