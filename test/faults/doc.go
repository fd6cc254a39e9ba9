// Package faults breaks what signet stands on, under load, and asks what was promised: nothing acknowledged is lost,
// nothing is used twice, nothing revoked is active, and what cannot be answered is refused quickly.
//
//	helpers   look_test.go       waiting, and looking into a database
//	          clients_test.go    a cluster with a user and four clients; requests that return answers, never fail a test
//	          load_test.go       bounded load: refresh chains and codes, with what was acknowledged
//	tests     nodes_test.go      two nodes, one database: what one is told the other obeys within a second
//	          crash_test.go      FLT-13 kill -9, FLT-14 SIGTERM
//	          redis_test.go      FLT-01 killed and emptied, FLT-02 stopped
//	          postgres_test.go   FLT-07 stopped, FLT-08 read-only
//	          history_test.go    a sequential model of a token family, and whether a history agrees with it
//	          linear_test.go     FLT-20 histories under all of it
//	          contention_test.go FLT-08 no connection left, FLT-11 a lost deadlock
//	          start_test.go      FLT-05 evicting Redis, FLT-17 wrong key-encryption key, ROT-05 migrations
//	          rolling_test.go    ROT-04 an older version beside this one: make rolling
//
// FLT-… are the numbers of the attack catalogue.
package faults
