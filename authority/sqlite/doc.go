// Package sqlite is the embedded authority.Store: one SQLite file, without cgo.
//
// What a method has answered is on the disk: WAL mode with synchronous=FULL. Writers that wait at the
// same time share a transaction and its fsync; one goroutine, which [Open] starts and [Store.Close] ends,
// does all writing. Reading goes over connections of its own and never waits for it.
//
// One process at a time has the file. A lock file beside it, held by the operating system and let go
// when the process ends however it ends, makes a second opener fail at once. So when Open returns, no
// reservation in the file is live: whoever made it is gone, and all of them may be reconciled. Leases are
// between the users of one Store, and end with it.
//
// A full disk refuses writes with authority.ErrFull, reads go on, and once there is space again so do
// writes. What the log takes of it is given back first. Do not put the file on a network file system.
//
// # Backup and restore
//
// A copy is made with SQLite's own means while the store is open (sqlite3 ca.db ".backup copy.db", or VACUUM
// INTO), or of the one file after Close. To restore it, put it in the place of the database and remove the
// files beside it whose names end in -wal and -shm: they belong to what was there before.
//
// Beside the database lies its journal, whose name ends in .ledger. Every revocation, release and abandonment,
// and every CRL's number, is on the disk there before it is in the database; and, without waiting for the disk,
// how many certificates there are. It is text, holds no secrets, and loses what no longer matters when [Store.Prune]
// is called. Leave it where it is when the database is restored: it says what the copy lacks. Best it is on
// another disk, see [Options.Journal]; to back it up as well, copy it after the database.
//
// Yesterday's copy must not make good what was revoked today. So [Open] compares the two, and if the database
// is behind by more than a crash explains, it opens the store to be read only: every write is [ErrRestored]; what
// is read says what the journal does of certificates; a CRL is refused if a newer one was published.
// [Store.Gap] tells what is missing. With [Replay], the changes are made again and the store goes on, without the
// records of certificates that the journal does not name. With a journal that is missing, damaged or another
// database's, nothing that is read could be relied on, and Open fails until it is told to [Accept] that.
//
// A change that was in the journal and not in the database yet when the process died has not happened: nobody was
// told of it, and it is taken off the journal. If a power cut took the count with it as well, the last change
// cannot be told from such a one, so a copy from just before it passes for the newest.
//
// A database and a journal that are restored together, from the same time, cannot be told from the newest ones.
// What is lost with the database besides is not made up for: credentials that were spent since can be used once
// more while they live, and events that were not delivered are gone. After a power cut, the count of certificates
// can be some seconds old, so that a copy from those seconds passes for the newest if nothing was revoked in them.
package sqlite
