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
	shard       INTEGER NOT NULL,
	provisioner TEXT    NOT NULL,
	profile     TEXT    NOT NULL,
	subject     TEXT    NOT NULL,
	key_id      TEXT    NOT NULL,
	entity      TEXT    NOT NULL,
	spend       BLOB,             -- digest of the credential that the reservation used up
	more        TEXT    NOT NULL, -- JSON: what no statement looks at
	tbs         BLOB    NOT NULL,
	der         BLOB              -- 0, then what follows the TBS in the certificate; or 1, then all of it
);
-- Every index but the first ends in the row's id, which SQLite adds by itself.
CREATE UNIQUE INDEX certificates_serial ON certificates (serial);
CREATE INDEX certificates_not_after ON certificates (not_after);
CREATE INDEX certificates_known ON certificates (reserved_at);
CREATE INDEX certificates_provisioner ON certificates (provisioner, reserved_at);
CREATE INDEX certificates_issuer ON certificates (issuer, reserved_at);
CREATE INDEX certificates_reserved ON certificates (reserved_at) WHERE status = 0;

-- Subject, names, key and entity of every certificate, as digests: one small tree for exact searches,
-- in the order of lists.
CREATE TABLE terms (
	term        INTEGER NOT NULL,
	reserved_at INTEGER NOT NULL,
	certificate INTEGER NOT NULL,
	PRIMARY KEY (term, reserved_at, certificate)
) WITHOUT ROWID;

-- What CRLs have, or had, to say of a certificate: one row, with all that an entry needs.
CREATE TABLE revocations (
	certificate  INTEGER PRIMARY KEY REFERENCES certificates (id),
	kind         INTEGER NOT NULL, -- 0 revoked, 1 abandoned, 2 released
	issuer       TEXT    NOT NULL,
	shard        INTEGER NOT NULL,
	serial       BLOB    NOT NULL,
	not_after    INTEGER NOT NULL,
	reserved_at  INTEGER NOT NULL,
	reason_code  INTEGER NOT NULL,
	reason       TEXT    NOT NULL,
	at           INTEGER NOT NULL,
	provisioner  TEXT    NOT NULL,
	revoked_by   TEXT    NOT NULL,
	abandoned_at INTEGER,          -- null unless the reservation was abandoned and kept its credential
	revision     INTEGER NOT NULL
);
CREATE INDEX revocations_issuer ON revocations (issuer, not_after) WHERE kind < 2;
CREATE INDEX revocations_shard ON revocations (issuer, shard, not_after) WHERE kind < 2;
CREATE INDEX revocations_revision ON revocations (issuer, revision);
CREATE INDEX revocations_known ON revocations (reserved_at) WHERE kind = 0;

CREATE TABLE crl_numbers ( -- the highest ever, of full ones and deltas
	issuer TEXT    NOT NULL,
	shard  INTEGER NOT NULL,
	number INTEGER NOT NULL,
	PRIMARY KEY (issuer, shard)
);

CREATE TABLE crls (
	issuer      TEXT    NOT NULL,
	shard       INTEGER NOT NULL,
	delta       INTEGER NOT NULL, -- 1 if it is one
	number      INTEGER NOT NULL,
	base        INTEGER NOT NULL,
	revision    INTEGER NOT NULL,
	this_update INTEGER NOT NULL,
	next_update INTEGER NOT NULL,
	entries     INTEGER NOT NULL,
	der         BLOB    NOT NULL, -- the last column, so that the others are read without it
	PRIMARY KEY (issuer, shard, delta)
);

CREATE TABLE spent (
	id    BLOB    NOT NULL PRIMARY KEY, -- digest of the credential's id
	until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX spent_until ON spent (until);

CREATE TABLE outbox (
	seq     INTEGER PRIMARY KEY,
	sink    TEXT    NOT NULL,
	at      INTEGER NOT NULL, -- when it happened
	payload BLOB    NOT NULL
);
CREATE INDEX outbox_sink ON outbox (sink);
CREATE INDEX outbox_at ON outbox (sink, at);

CREATE TABLE dead_letters (
	seq       INTEGER PRIMARY KEY,
	sink      TEXT    NOT NULL,
	at        INTEGER NOT NULL, -- when it happened
	buried_at INTEGER NOT NULL,
	reason    TEXT    NOT NULL,
	payload   BLOB    NOT NULL
);
CREATE INDEX dead_letters_sink ON dead_letters (sink);
CREATE INDEX dead_letters_at ON dead_letters (sink, at);
CREATE INDEX dead_letters_buried ON dead_letters (sink, buried_at);

CREATE TABLE marks (
	name TEXT    NOT NULL PRIMARY KEY,
	at   INTEGER NOT NULL
);

-- The last numbers given, which outlive what they were given to.
CREATE TABLE counters (
	name  TEXT    NOT NULL PRIMARY KEY,
	value INTEGER NOT NULL
);
INSERT INTO counters (name, value) VALUES ('revision', 0), ('seq', 0);
