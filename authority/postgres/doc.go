// Package postgres is the distributed authority.Store: a PostgreSQL database, version 13 or later, that
// several nodes use at once.
//
// # What is promised
//
// Unique keys and transactions carry the correctness; no lock is held for longer than a transaction, and
// none on more than the rows that it changes. What a method has answered is committed, and on the disk of
// the server if its fsync is on. Synchronous replication, if the database is set up for it, covers what is
// answered too; without it, a failover can lose the last moments, and a certificate authority should not be
// run so. Reserve and Commit are one round trip each.
//
// A method that says authority.ErrUnavailable may have taken effect if the connection was lost while the
// answer was on its way. Serialization failures and deadlocks are repeated here, as is whatever was lost
// before its commit was sent. When the database is back, the store is, without being opened again. A
// context that ends while something is being written does not cut it off at once: what has begun is given
// two seconds to end, so that the answer is known.
//
// Text that is not UTF-8, or has a NUL in it, is refused with an error: PostgreSQL does not keep it.
//
// # Numbers
//
// A Seq or revision is the id of its transaction (64 bits wide, so that it never wraps), times 2^20, plus a
// count within the transaction. PostgreSQL knows which transactions are still open: events are shown once
// every transaction with a lower id has ended, so none with a lower Seq appears any more, and Revision
// ends just before the oldest open one. No counter is locked for that. The price is that any transaction in
// the same cluster that has an id, also in another database, and stays open, holds back events, and what
// deltas may leave out, until it ends: keep an eye on pg_stat_activity.xact_start, and forget no prepared
// transaction. Nothing else waits for it.
//
// When a dump is restored into a cluster whose transaction ids are lower, [Open] adds what is missing to all
// new numbers. So restore first, and open afterwards: every event of the dump is delivered, new ones follow
// it, and deltas miss nothing. A copy of the data directory, and a standby, bring their ids along.
//
// # Leases
//
// Leases are advisory locks of one session, over a connection of its own that is opened with the first one.
// A goroutine, which exists only while at least one is held, watches that connection: when it breaks, or
// does not answer for [LeaseSilence], the contexts of all of them end. The server lets go when the
// connection is closed, at once for a process that was killed, and otherwise within some 15 seconds, which
// is later than the holder knows. A process that was suspended for longer wakes up with a context that ends
// only then: what leases guard has to be safe, if slow, with two at work, and it is.
//
// # Behind PgBouncer
//
// In transaction mode the locks of leases, which belong to sessions, do not work, and startup parameters are
// refused. So give [Open] the address of the server itself in Options.Direct, and the role, with ALTER ROLE,
// its search_path, a statement_timeout, and the [Settings]. PgBouncer before 1.21 also needs
// default_query_exec_mode=exec in its URL. In session mode nothing is special but the startup parameters,
// which its ignore_startup_parameters can allow.
package postgres
