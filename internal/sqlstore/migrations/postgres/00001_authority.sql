-- +goose Up

-- Rising ids keep inserts at the end of the indexes. Times are microseconds since 1970.
CREATE TABLE certificates (
	id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	serial      BYTEA  NOT NULL,
	status      BIGINT NOT NULL, -- 0 reserved, 1 issued, 2 abandoned
	not_before  BIGINT NOT NULL,
	not_after   BIGINT NOT NULL,
	reserved_at BIGINT NOT NULL,
	issued_at   BIGINT NOT NULL,
	issuer      TEXT   NOT NULL,
	shard       BIGINT NOT NULL,
	provisioner TEXT   NOT NULL,
	profile     TEXT   NOT NULL,
	subject     TEXT   NOT NULL,
	key_id      TEXT   NOT NULL,
	entity      TEXT   NOT NULL,
	spend       BYTEA,           -- digest of the credential that the reservation used up
	more        TEXT   NOT NULL, -- JSON: what no statement looks at
	tbs         BYTEA  NOT NULL,
	der         BYTEA            -- 0, then what follows the TBS in the certificate; or 1, then all of it
);
CREATE UNIQUE INDEX certificates_serial ON certificates (serial);
CREATE INDEX certificates_not_after ON certificates (not_after, id);
CREATE INDEX certificates_known ON certificates (reserved_at, id);
CREATE INDEX certificates_provisioner ON certificates (provisioner, reserved_at, id);
CREATE INDEX certificates_issuer ON certificates (issuer, reserved_at, id);
CREATE INDEX certificates_reserved ON certificates (reserved_at, id) WHERE status = 0;

-- Subject, names, key and entity of every certificate, as digests: one small index for exact searches,
-- in the order of lists.
CREATE TABLE terms (
	term        BIGINT NOT NULL,
	reserved_at BIGINT NOT NULL,
	certificate BIGINT NOT NULL,
	PRIMARY KEY (term, reserved_at, certificate)
);

-- What CRLs have, or had, to say of a certificate: one row, with all that an entry needs.
CREATE TABLE revocations (
	certificate  BIGINT NOT NULL PRIMARY KEY REFERENCES certificates (id),
	kind         BIGINT NOT NULL, -- 0 revoked, 1 abandoned, 2 released
	issuer       TEXT   NOT NULL,
	shard        BIGINT NOT NULL,
	serial       BYTEA  NOT NULL,
	not_after    BIGINT NOT NULL,
	reserved_at  BIGINT NOT NULL,
	reason_code  BIGINT NOT NULL,
	reason       TEXT   NOT NULL,
	at           BIGINT NOT NULL,
	provisioner  TEXT   NOT NULL,
	revoked_by   TEXT   NOT NULL,
	abandoned_at BIGINT,          -- null unless the reservation was abandoned and kept its credential
	revision     BIGINT NOT NULL
);
CREATE INDEX revocations_issuer ON revocations (issuer, not_after, certificate) WHERE kind < 2;
CREATE INDEX revocations_shard ON revocations (issuer, shard, not_after, certificate) WHERE kind < 2;
CREATE INDEX revocations_revision ON revocations (issuer, revision, certificate);
CREATE INDEX revocations_known ON revocations (reserved_at, certificate) WHERE kind = 0;

CREATE TABLE crl_numbers ( -- the highest ever, of full ones and deltas
	issuer TEXT   NOT NULL,
	shard  BIGINT NOT NULL,
	number BIGINT NOT NULL,
	PRIMARY KEY (issuer, shard)
);

CREATE TABLE crls (
	issuer      TEXT   NOT NULL,
	shard       BIGINT NOT NULL,
	delta       BIGINT NOT NULL, -- 1 if it is one
	number      BIGINT NOT NULL,
	base        BIGINT NOT NULL,
	revision    BIGINT NOT NULL,
	this_update BIGINT NOT NULL,
	next_update BIGINT NOT NULL,
	entries     BIGINT NOT NULL,
	der         BYTEA  NOT NULL,
	PRIMARY KEY (issuer, shard, delta)
);
ALTER TABLE crls ALTER COLUMN der SET STORAGE EXTERNAL; -- signatures and serials do not shrink

CREATE TABLE spent (
	id    BYTEA  NOT NULL PRIMARY KEY, -- digest of the credential's id
	until BIGINT NOT NULL
);
CREATE INDEX spent_until ON spent (until);

-- seq, and revisions, are made from the ids of transactions: see package authority/postgres.
CREATE TABLE outbox (
	seq     BIGINT NOT NULL PRIMARY KEY,
	sink    TEXT   NOT NULL,
	at      BIGINT NOT NULL, -- when it happened
	payload BYTEA  NOT NULL
);
CREATE INDEX outbox_sink ON outbox (sink, seq);
CREATE INDEX outbox_at ON outbox (sink, at);

CREATE TABLE dead_letters (
	seq       BIGINT NOT NULL PRIMARY KEY,
	sink      TEXT   NOT NULL,
	at        BIGINT NOT NULL, -- when it happened
	buried_at BIGINT NOT NULL,
	reason    TEXT   NOT NULL,
	payload   BYTEA  NOT NULL
);
CREATE INDEX dead_letters_sink ON dead_letters (sink, seq);
CREATE INDEX dead_letters_at ON dead_letters (sink, at);
CREATE INDEX dead_letters_buried ON dead_letters (sink, buried_at);

CREATE TABLE marks (
	name TEXT   NOT NULL PRIMARY KEY,
	at   BIGINT NOT NULL
);

-- One row. base is added to the ids of transactions, and grows when this cluster's are behind those of the
-- one that the data came from. seen is the highest sum known to have been in use.
CREATE TABLE clock (
	one  BOOLEAN NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
	base BIGINT  NOT NULL,
	seen BIGINT  NOT NULL
);
INSERT INTO clock (base, seen) VALUES (0, 0);
