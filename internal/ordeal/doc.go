// Package ordeal has nothing but tests: the whole certificate authority, from HTTPS down to the SQLite
// file, is killed, starved of disk, crowded with connections and fed faults, and has to have lost
// nothing afterwards.
//
// CHANCERY_CRASH_ROUNDS sets how often the server is killed; the default is 10, and 3 with -short.
package ordeal
