// Command load measures what a request costs. It drives a server over loopback in a closed loop with keep-alive
// connections, and reads the CPU time of server, database and Redis from /proc, so that the result does not depend on
// how busy the driver is.
//
//	load bench  start signet serve and the floor on PostgreSQL and Redis, measure both, print one table
//	load timing logins, identities and PINs that fail in different ways, and whether their times tell which (ENU-01, HMC-01)
//	load floor  the floor alone: a bare net/http program with the same paths that does only the unavoidable
//	            cryptography and store round trips, so that "1.6 times the floor" means something
//
// It reads SIGNET_TEST_POSTGRES and SIGNET_TEST_REDIS, which `make bench` provides.
package main
