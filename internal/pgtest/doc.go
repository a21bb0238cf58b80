// Package pgtest gives tests a PostgreSQL server: the one whose URL is in CHANCERY_POSTGRES, or one that it
// makes itself with the initdb and pg_ctl of this machine.
//
// The URL is of a role that may create databases and roles. Without either, tests are skipped, or fail if
// CHANCERY_INTEROP is "require". A package whose TestMain calls [Run] has one server for all its tests, each
// of which takes a database of its own.
package pgtest
