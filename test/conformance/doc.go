// Package conformance asks of the built binary what the modules of the OpenID Foundation's conformance suite ask, in our
// own words and code. It is not the suite and gives no certificate: it is what can be known before the suite is run. A
// check on which the suite only warns fails here.
//
//	op_test.go       signet dev --tls, its clients, its metadata and keys
//	module_test.go   one module: a browser of its own, requests, answers, tokens
//	checks_test.go   what is checked of every answer, whatever the module
//	config_test.go   TestConfig    oidcc-config
//	basic_test.go    TestBasic     oidcc-basic with the happy flows, TestFormPost the same by form_post
//	prompt_test.go                 … prompt, max_age, hints
//	refusal_test.go                … what must be refused
//	refresh_test.go                … codes and refresh tokens used again
//	logout_test.go   TestLogout    oidcc-rp-initiated-logout
//
// The browser knows forms alone. Where a page submits itself by script it clicks the button that the page has for
// browsers without script; the script itself is proven by TestFormPostInChromium of test/e2e.
package conformance
