-- +goose Up

-- What an ACME server remembers. Every object has a version, which is another random number after each change, and
-- two JSON documents: what never changes, and what does and no statement looks at. Statuses: 0 pending, 1 processing,
-- 2 valid, 3 invalid, 4 deactivated, 5 revoked.
CREATE TABLE acme_accounts (
	seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id          TEXT   NOT NULL UNIQUE,
	provisioner TEXT   NOT NULL,
	thumbprint  TEXT   NOT NULL,
	status      BIGINT NOT NULL,
	version     BIGINT NOT NULL,
	fixed       TEXT   NOT NULL,
	doc         TEXT   NOT NULL
);
CREATE INDEX acme_accounts_gone ON acme_accounts (id) WHERE status <> 2;

-- Whose a key is: a row of its own can be claimed before an account changes to it.
CREATE TABLE acme_keys (
	provisioner TEXT NOT NULL,
	thumbprint  TEXT NOT NULL,
	account     TEXT NOT NULL,
	PRIMARY KEY (provisioner, thumbprint)
);
CREATE INDEX acme_keys_account ON acme_keys (account);

CREATE TABLE acme_external_keys (
	provisioner TEXT   NOT NULL,
	id          TEXT   COLLATE "C" NOT NULL, -- lists are in the order of bytes
	reusable    BIGINT NOT NULL,
	expires     BIGINT, -- null: never
	revoked_at  BIGINT, -- null: it is not
	used_at     BIGINT, -- null: not yet
	account     TEXT   NOT NULL,
	version     BIGINT NOT NULL,
	doc         TEXT   NOT NULL,
	PRIMARY KEY (provisioner, id)
);
CREATE INDEX acme_external_keys_expires ON acme_external_keys (expires) WHERE expires IS NOT NULL;

CREATE TABLE acme_orders (
	seq          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id           TEXT   NOT NULL UNIQUE,
	account      TEXT   NOT NULL,
	provisioner  TEXT   NOT NULL,
	open_key     BYTEA UNIQUE, -- digest of what is asked for, while it can be returned again
	replaces_key BYTEA UNIQUE, -- digest of the provisioner and of what it replaces, while nothing else may
	serial       TEXT,
	status       BIGINT NOT NULL,
	expires      BIGINT NOT NULL,
	due          BIGINT,
	version      BIGINT NOT NULL,
	fixed        TEXT   NOT NULL,
	doc          TEXT   NOT NULL
);
CREATE INDEX acme_orders_account ON acme_orders (account, seq);
CREATE INDEX acme_orders_serial ON acme_orders (provisioner, serial, seq) WHERE serial IS NOT NULL;
CREATE INDEX acme_orders_due ON acme_orders (provisioner, due, seq) WHERE due IS NOT NULL;
CREATE INDEX acme_orders_expires ON acme_orders (expires, seq);

CREATE TABLE acme_authzs (
	seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id          TEXT   NOT NULL UNIQUE,
	account     TEXT   NOT NULL,
	provisioner TEXT   NOT NULL,
	name        BYTEA  NOT NULL, -- digest of account, identifier and wildcard
	live        BIGINT NOT NULL, -- 1: new orders for the name rest on it
	status      BIGINT NOT NULL,
	expires     BIGINT NOT NULL,
	needed      BIGINT NOT NULL, -- the end of the last order that rests on it
	keep        BIGINT NOT NULL, -- that, or its own
	due         BIGINT,
	version     BIGINT NOT NULL,
	fixed       TEXT   NOT NULL,
	doc         TEXT   NOT NULL
);
CREATE UNIQUE INDEX acme_authzs_live ON acme_authzs (name) WHERE live = 1;
CREATE INDEX acme_authzs_valid ON acme_authzs (name, expires) WHERE status = 2;
CREATE INDEX acme_authzs_account ON acme_authzs (account, status, expires);
CREATE INDEX acme_authzs_due ON acme_authzs (provisioner, due, seq) WHERE due IS NOT NULL;
CREATE INDEX acme_authzs_keep ON acme_authzs (keep, seq);

CREATE TABLE acme_links ( -- what orders rest on
	ord   BIGINT NOT NULL, -- seq
	n     BIGINT NOT NULL, -- of the identifier
	authz BIGINT NOT NULL, -- seq
	PRIMARY KEY (ord, n)
);

CREATE TABLE acme_nonces ( -- that were spent
	id     BYTEA  NOT NULL PRIMARY KEY,
	ticket BIGINT, -- what the request that spent it writes, it writes on this condition; null: not any more
	until  BIGINT NOT NULL
);
CREATE INDEX acme_nonces_until ON acme_nonces (until);

CREATE TABLE acme_tallies (
	id    BYTEA  NOT NULL PRIMARY KEY, -- digest of the key
	n     BIGINT NOT NULL,
	until BIGINT NOT NULL
);
CREATE INDEX acme_tallies_until ON acme_tallies (until);

CREATE TABLE acme_secrets (
	name  TEXT  NOT NULL PRIMARY KEY,
	value BYTEA NOT NULL
);
