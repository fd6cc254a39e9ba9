// Package redisstore keeps what must be quick and may be lost: replay marks, counters of guesses, and the fast copy of
// revocations. It needs Redis 7 (SET with NX and GET) or Valkey, alone, behind Sentinel, or as a Cluster. Nothing here is
// the truth of anything but replay marks, and losing Redis's memory never opens a door:
//
//	marks        16 buckets, each on one shard with its epoch {run id, time}. Memory lost ▶ the epoch moves to now and
//	             only what was issued after it (plus the largest lead of a clock) is accepted.
//	revocations  one hash tag, one epoch {run id, build}. Memory lost ▶ the epoch is gone, the journal in SQL answers
//	             until a rebuild is complete.
//	attempts     fixed windows. Memory lost ▶ counting starts again; the local limits still stand.
//
// How a lost memory is noticed:
//
//	FLUSHALL, restart empty     the epoch key is missing in the next answer
//	restart from an old file,   another run id: connect.go compares it on every new connection, before the connection
//	promotion of a replica      is used, and moves the epochs
//	this node changed masters   moves them too: what it wrote to a master that was cut off is not at the new one
//	an evicting policy          refused on every new connection, so that a single key is never dropped alone
//
// A Redis that is away when the store is opened is no error: open.go goes on asking, and until the first connections
// have passed every check no call is made. A server that answers and must not be used refuses the start.
//
// What cannot be noticed from here: a master that was cut off from its replicas and goes on serving the nodes that were
// cut off with it. Behind Sentinel or in a Cluster set min-replicas-to-write to 1, so that such a master refuses
// writes; Open warns when it is 0.
//
// A home that starts empty cannot be told from one that was emptied. So for 10 s after the first start ever (60 s for
// signed requests) assertions made before the start are refused with CodeUnavailable and Reason "marks_memory_lost";
// one whose iat lies more than 10 s after the start passes at once. Stored epochs survive restarts of signet.
//
// The user needs PING, INFO, GET, MGET, SET, DEL, PUBLISH, SUBSCRIBE, EVAL and EVALSHA on the prefix; CONFIG GET only for
// the warning above.
//
// Every value carries its own expiry, which is compared with the injected time; Redis's TTLs only collect garbage.
// Every call has 250 ms, no retries, and a breaker before it.
package redisstore
