-- The records of the five contracts. Valid on PostgreSQL and on SQLite alike; times are UTC with microseconds. metadata,
-- settings and dto hold JSON that nothing searches. Secret keys stand in sealed_keys alone, sealed.

-- +goose Up
CREATE TABLE sealed_keys (
    owner      TEXT NOT NULL,
    id         TEXT NOT NULL,
    key_use    TEXT NOT NULL,
    alg        TEXT NOT NULL,
    sealed     BYTEA NOT NULL,
    kek_id     TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP,
    PRIMARY KEY (owner, id)
);

CREATE TABLE resource_servers (
    id          TEXT PRIMARY KEY,
    audience    TEXT NOT NULL UNIQUE,
    metadata    TEXT NOT NULL,
    disabled_at TIMESTAMP,
    created_at  TIMESTAMP NOT NULL,
    updated_at  TIMESTAMP NOT NULL,
    version     BIGINT NOT NULL CHECK (version > 0)
);

CREATE TABLE billers (
    id          TEXT PRIMARY KEY,
    metadata    TEXT NOT NULL,
    not_before  TIMESTAMP,
    disabled_at TIMESTAMP,
    created_at  TIMESTAMP NOT NULL,
    updated_at  TIMESTAMP NOT NULL,
    version     BIGINT NOT NULL CHECK (version > 0)
);

CREATE TABLE invoices (
    biller_id  TEXT NOT NULL REFERENCES billers (id),
    id         TEXT NOT NULL,
    dto        TEXT NOT NULL,
    due_at     TIMESTAMP NOT NULL,
    closed_at  TIMESTAMP,
    updated_at TIMESTAMP NOT NULL,
    version    BIGINT NOT NULL CHECK (version > 0),
    PRIMARY KEY (biller_id, id)
);

CREATE TABLE accounts (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    account_type TEXT NOT NULL,
    instance     TEXT NOT NULL UNIQUE,
    settings     TEXT NOT NULL,
    -- individual_of is the user whose one individual account this is.
    individual_of TEXT UNIQUE,
    not_before   TIMESTAMP,
    disabled_at  TIMESTAMP,
    created_at   TIMESTAMP NOT NULL,
    created_by   TEXT NOT NULL,
    updated_at   TIMESTAMP NOT NULL,
    updated_by   TEXT NOT NULL,
    version      BIGINT NOT NULL CHECK (version > 0)
);

-- ended_at keeps the row of a membership that is over, so that tokens which carry it stay taken back. changed_at is when
-- what tokens carry of it last changed: NULL until it was accepted for the first time.
CREATE TABLE memberships (
    account_id  TEXT NOT NULL REFERENCES accounts (id),
    user_id     TEXT NOT NULL REFERENCES users (id),
    role        TEXT NOT NULL,
    accepted_at TIMESTAMP,
    changed_at  TIMESTAMP,
    ended_at    TIMESTAMP,
    created_at  TIMESTAMP NOT NULL,
    created_by  TEXT NOT NULL,
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX memberships_user_id ON memberships (user_id);

CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    hash       BYTEA NOT NULL UNIQUE,
    hash_key   TEXT NOT NULL,
    enabled    BOOLEAN NOT NULL,
    detail     TEXT NOT NULL,
    expires_at TIMESTAMP,
    not_before TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    created_by TEXT NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    updated_by TEXT NOT NULL,
    version    BIGINT NOT NULL CHECK (version > 0),
    UNIQUE (account_id, name)
);

CREATE TABLE devices (
    dcn         TEXT NOT NULL,
    id          TEXT NOT NULL,
    account_id  TEXT NOT NULL REFERENCES accounts (id),
    name        TEXT NOT NULL,
    hash        BYTEA NOT NULL,
    hash_key    TEXT NOT NULL,
    disabled_at TIMESTAMP,
    created_at  TIMESTAMP NOT NULL,
    version     BIGINT NOT NULL CHECK (version > 0),
    PRIMARY KEY (dcn, id)
);
CREATE INDEX devices_id ON devices (id);
CREATE INDEX devices_account_id ON devices (account_id);

CREATE TABLE pin_applications (
    id         TEXT PRIMARY KEY REFERENCES clients (id),
    username   TEXT NOT NULL UNIQUE,
    metadata   TEXT NOT NULL,
    pin_hash   TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    version    BIGINT NOT NULL CHECK (version > 0)
);

-- spent holds what may be used once: single-use intents until they expire, and what has no time of its own, PIN nonces.
-- expires_at NULL: until owner, a credential ("{owner}#{id}" of sealed_keys) or all that an owner has, ended long ago.
CREATE TABLE spent (
    hash       BYTEA PRIMARY KEY,
    owner      TEXT NOT NULL,
    spent_at   TIMESTAMP NOT NULL,
    expires_at TIMESTAMP
);
CREATE INDEX spent_expires_at ON spent (expires_at);
CREATE INDEX spent_owner ON spent (owner);
