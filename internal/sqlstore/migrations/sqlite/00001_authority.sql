-- +goose Up

-- Rising ids keep inserts at the end of the table; AUTOINCREMENT never gives one twice, so a cursor
-- stays right after the newest record was pruned. Times are microseconds since 1970.
CREATE TABLE certificates (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	serial      BLOB    NOT NULL,
	status      INTEGER NOT NULL, -- 0 reserved, 1 issued, 2 abandoned
	not_before  INTEGER NOT NULL,
	not_after   INTEGER NOT NULL,
	reserved_at INTEGER NOT NULL,
	issued_at   INTEGER NOT NULL,
	issuer      TEXT    NOT NULL,
	provisioner TEXT    NOT NULL,
	subject     TEXT    NOT NULL,
	key_id      TEXT    NOT NULL,
	spend       BLOB,             -- digest of the credential that the reservation used up
	more        TEXT    NOT NULL, -- JSON: what is never searched for by itself
	tbs         BLOB    NOT NULL,
	der         BLOB              -- 0, then what follows the TBS in the certificate; or 1, then all of it
);
CREATE UNIQUE INDEX certificates_serial ON certificates (serial);
CREATE INDEX certificates_not_after ON certificates (not_after);
CREATE INDEX certificates_reserved ON certificates (reserved_at) WHERE status = 0;

-- Subject and names of every certificate, as digests: one small tree for exact searches.
CREATE TABLE terms (
	term        INTEGER NOT NULL,
	certificate INTEGER NOT NULL,
	PRIMARY KEY (term, certificate)
) WITHOUT ROWID;

CREATE TABLE revocations (
	certificate INTEGER PRIMARY KEY REFERENCES certificates (id),
	reason_code INTEGER NOT NULL,
	reason      TEXT    NOT NULL,
	revoked_at  INTEGER NOT NULL,
	provisioner TEXT    NOT NULL,
	revoked_by  TEXT    NOT NULL
);

CREATE TABLE spent (
	id    BLOB    NOT NULL PRIMARY KEY, -- digest of the credential's id
	until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX spent_until ON spent (until);

CREATE TABLE outbox (
	seq     INTEGER PRIMARY KEY AUTOINCREMENT,
	sink    TEXT NOT NULL,
	payload BLOB NOT NULL
);
CREATE INDEX outbox_sink ON outbox (sink);
