// Package sqlstore holds what the stores on SQL databases share: the schema and its migrations, the
// statements, and how records become rows. It knows no driver: a store hands it a [Tx].
//
// Every function that writes checks first and writes afterwards, or undoes by itself what it wrote, so
// that after one of the errors of package authority (ErrSpent, ErrExists, …) there is nothing to roll
// back: several can share a transaction without savepoints. After any other error the transaction must
// be rolled back.
package sqlstore
