// Package servers knows how a PostgreSQL and a Redis for tests are found and started: test/services starts one of each for
// a whole run, test/e2e those that a test stops, kills or listens to. It needs the standard library alone, so that
// test/services builds at once.
//
//	Program, PostgresProgram ─▶ Unprivileged ─▶ InitDB ─▶ PostgresCommand
//	Program ────────────────────────────────────────────▶ RedisCommand
package servers
