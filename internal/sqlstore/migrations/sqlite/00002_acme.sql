-- +goose Up

-- What an ACME server remembers. Every object has a version, which is another random number after each change, and
-- two JSON documents: what never changes, and what does and no statement looks at. Statuses: 0 pending, 1 processing,
-- 2 valid, 3 invalid, 4 deactivated, 5 revoked.
CREATE TABLE acme_accounts (
	seq         INTEGER PRIMARY KEY,
	id          TEXT    NOT NULL UNIQUE,
	provisioner TEXT    NOT NULL,
	thumbprint  TEXT    NOT NULL,
	status      INTEGER NOT NULL,
	version     INTEGER NOT NULL,
	fixed       TEXT    NOT NULL,
	doc         TEXT    NOT NULL
);
CREATE INDEX acme_accounts_gone ON acme_accounts (id) WHERE status <> 2;

-- Whose a key is: a row of its own can be claimed before an account changes to it.
CREATE TABLE acme_keys (
	provisioner TEXT NOT NULL,
	thumbprint  TEXT NOT NULL,
	account     TEXT NOT NULL,
	PRIMARY KEY (provisioner, thumbprint)
) WITHOUT ROWID;
CREATE INDEX acme_keys_account ON acme_keys (account);

CREATE TABLE acme_external_keys (
	provisioner TEXT    NOT NULL,
	id          TEXT    NOT NULL,
	reusable    INTEGER NOT NULL,
	expires     INTEGER, -- null: never
	revoked_at  INTEGER, -- null: it is not
	used_at     INTEGER, -- null: not yet
	account     TEXT    NOT NULL,
	version     INTEGER NOT NULL,
	doc         TEXT    NOT NULL,
	PRIMARY KEY (provisioner, id)
);
CREATE INDEX acme_external_keys_expires ON acme_external_keys (expires) WHERE expires IS NOT NULL;

-- AUTOINCREMENT, so that cursors stay right when the newest are pruned. Every index that is not unique ends in the
-- row's seq.
CREATE TABLE acme_orders (
	seq          INTEGER PRIMARY KEY AUTOINCREMENT,
	id           TEXT    NOT NULL UNIQUE,
	account      TEXT    NOT NULL,
	provisioner  TEXT    NOT NULL,
	open_key     BLOB UNIQUE, -- digest of what is asked for, while it can be returned again
	replaces_key BLOB UNIQUE, -- digest of the provisioner and of what it replaces, while nothing else may
	serial       TEXT,
	status       INTEGER NOT NULL,
	expires      INTEGER NOT NULL,
	due          INTEGER,
	version      INTEGER NOT NULL,
	fixed        TEXT    NOT NULL,
	doc          TEXT    NOT NULL
);
CREATE INDEX acme_orders_account ON acme_orders (account);
CREATE INDEX acme_orders_serial ON acme_orders (provisioner, serial) WHERE serial IS NOT NULL;
CREATE INDEX acme_orders_due ON acme_orders (provisioner, due) WHERE due IS NOT NULL;
CREATE INDEX acme_orders_expires ON acme_orders (expires);

CREATE TABLE acme_authzs (
	seq         INTEGER PRIMARY KEY,
	id          TEXT    NOT NULL UNIQUE,
	account     TEXT    NOT NULL,
	provisioner TEXT    NOT NULL,
	name        BLOB    NOT NULL, -- digest of account, identifier and wildcard
	live        INTEGER NOT NULL, -- 1: new orders for the name rest on it
	status      INTEGER NOT NULL,
	expires     INTEGER NOT NULL,
	needed      INTEGER NOT NULL, -- the end of the last order that rests on it
	keep        INTEGER NOT NULL, -- that, or its own
	due         INTEGER,
	version     INTEGER NOT NULL,
	fixed       TEXT    NOT NULL,
	doc         TEXT    NOT NULL
);
CREATE UNIQUE INDEX acme_authzs_live ON acme_authzs (name) WHERE live = 1;
CREATE INDEX acme_authzs_valid ON acme_authzs (name, expires) WHERE status = 2;
CREATE INDEX acme_authzs_account ON acme_authzs (account, status, expires);
CREATE INDEX acme_authzs_due ON acme_authzs (provisioner, due) WHERE due IS NOT NULL;
CREATE INDEX acme_authzs_keep ON acme_authzs (keep);

CREATE TABLE acme_links ( -- what orders rest on
	ord   INTEGER NOT NULL, -- seq
	n     INTEGER NOT NULL, -- of the identifier
	authz INTEGER NOT NULL, -- seq
	PRIMARY KEY (ord, n)
) WITHOUT ROWID;

CREATE TABLE acme_nonces ( -- that were spent
	id     BLOB    NOT NULL PRIMARY KEY,
	ticket INTEGER, -- what the request that spent it writes, it writes on this condition; null: not any more
	until  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX acme_nonces_until ON acme_nonces (until);

CREATE TABLE acme_tallies (
	id    BLOB    NOT NULL PRIMARY KEY, -- digest of the key
	n     INTEGER NOT NULL,
	until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX acme_tallies_until ON acme_tallies (until);

CREATE TABLE acme_secrets (
	name  TEXT NOT NULL PRIMARY KEY,
	value BLOB NOT NULL
);
