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
package sqlite
