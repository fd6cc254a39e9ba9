// Command services starts what the tests need, runs a command with it, and stops everything again, also when the
// command fails or somebody presses Ctrl-C.
//
//	services COMMAND ARG…
//	  find     PostgreSQL, Redis, Chromium, Node.js; as root with apt-get what is missing is installed,
//	           otherwise it says exactly what to install and exits 3
//	  start    PostgreSQL and Redis on free loopback ports, data in a temporary folder (not as root)
//	  run      COMMAND with SIGNET_TEST_POSTGRES, SIGNET_TEST_REDIS and SIGNET_TEST_CHROMIUM
//	  stop     by process id, and the folder is removed
//
// A variable that is set already is used as it is, and its service is neither looked for nor started.
package main
