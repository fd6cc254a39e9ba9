-- Valid on PostgreSQL and on SQLite alike. Times are UTC with microseconds. detail, metadata and profile hold JSON that
-- nothing searches. Secrets and tokens are here as keyed hashes only (hash, with the id of the hashing key beside it).

-- +goose Up
CREATE TABLE clients (
    id          TEXT PRIMARY KEY,
    metadata    TEXT NOT NULL,
    admin       BOOLEAN NOT NULL,
    not_before  TIMESTAMP,
    disabled_at TIMESTAMP,
    created_at  TIMESTAMP NOT NULL,
    updated_at  TIMESTAMP NOT NULL,
    version     BIGINT NOT NULL CHECK (version > 0)
);

CREATE TABLE client_secrets (
    client_id  TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    id         TEXT NOT NULL,
    hash       BYTEA NOT NULL,
    hash_key   TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP,
    PRIMARY KEY (client_id, id)
);
CREATE INDEX client_secrets_expires_at ON client_secrets (expires_at);

CREATE TABLE client_origins (
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    origin    TEXT NOT NULL,
    PRIMARY KEY (client_id, origin)
);

CREATE TABLE users (
    id                  TEXT PRIMARY KEY,
    username            TEXT NOT NULL,
    username_key        TEXT NOT NULL UNIQUE,
    email_key           TEXT,
    profile             TEXT NOT NULL,
    password_hash       TEXT NOT NULL,
    password_changed_at TIMESTAMP,
    not_before          TIMESTAMP,
    disabled_at         TIMESTAMP,
    created_at          TIMESTAMP NOT NULL,
    updated_at          TIMESTAMP NOT NULL,
    version             BIGINT NOT NULL CHECK (version > 0)
);
CREATE INDEX users_email_key ON users (email_key);

CREATE TABLE sessions (
    id              TEXT PRIMARY KEY,
    hash            BYTEA NOT NULL UNIQUE,
    hash_key        TEXT NOT NULL,
    user_id         TEXT NOT NULL REFERENCES users (id),
    auth_time       TIMESTAMP NOT NULL,
    acr             TEXT NOT NULL,
    amr             TEXT NOT NULL,
    last_seen_at    TIMESTAMP NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    idle_expires_at TIMESTAMP NOT NULL,
    expires_at      TIMESTAMP NOT NULL,
    ended_at        TIMESTAMP,
    ended_reason    TEXT
);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE grants (
    id             TEXT PRIMARY KEY,
    client_id      TEXT NOT NULL REFERENCES clients (id),
    user_id        TEXT NOT NULL REFERENCES users (id),
    session_id     TEXT,
    offline        BOOLEAN NOT NULL,
    detail         TEXT NOT NULL,
    created_at     TIMESTAMP NOT NULL,
    expires_at     TIMESTAMP NOT NULL,
    revoked_at     TIMESTAMP,
    revoked_reason TEXT
);
CREATE INDEX grants_client_id ON grants (client_id);
CREATE INDEX grants_user_id ON grants (user_id);
CREATE INDEX grants_session_id ON grants (session_id);
CREATE INDEX grants_expires_at ON grants (expires_at);

CREATE TABLE authorization_codes (
    hash       BYTEA PRIMARY KEY,
    hash_key   TEXT NOT NULL,
    grant_id   TEXT NOT NULL REFERENCES grants (id),
    client_id  TEXT NOT NULL,
    detail     TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at    TIMESTAMP
);
CREATE INDEX authorization_codes_grant_id ON authorization_codes (grant_id);
CREATE INDEX authorization_codes_expires_at ON authorization_codes (expires_at);

-- parent_hash is unique: a token has one successor, whatever the code above does.
CREATE TABLE refresh_tokens (
    hash            BYTEA PRIMARY KEY,
    hash_key        TEXT NOT NULL,
    parent_hash     BYTEA UNIQUE,
    parent_hash_key TEXT,
    grant_id        TEXT NOT NULL REFERENCES grants (id),
    client_id       TEXT NOT NULL,
    generation      BIGINT NOT NULL CHECK (generation >= 0),
    rotation_key    TEXT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    used_at         TIMESTAMP,
    UNIQUE (grant_id, generation),
    CHECK ((generation = 0) = (parent_hash IS NULL))
);

-- grant_id is no reference: a token may outlive the retention of its grant.
CREATE TABLE access_tokens (
    hash       BYTEA PRIMARY KEY,
    hash_key   TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    grant_id   TEXT,
    client_id  TEXT NOT NULL,
    user_id    TEXT,
    detail     TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
CREATE INDEX access_tokens_grant_id ON access_tokens (grant_id);
CREATE INDEX access_tokens_expires_at ON access_tokens (expires_at);

CREATE TABLE consents (
    user_id      TEXT NOT NULL REFERENCES users (id),
    client_id    TEXT NOT NULL REFERENCES clients (id),
    scope        TEXT NOT NULL,
    granted_at   TIMESTAMP NOT NULL,
    confirmed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
CREATE INDEX consents_client_id ON consents (client_id);

CREATE TABLE keys (
    id          TEXT PRIMARY KEY,
    key_use     TEXT NOT NULL,
    alg         TEXT NOT NULL,
    sealed      BYTEA NOT NULL,
    kek_id      TEXT NOT NULL,
    created_at  TIMESTAMP NOT NULL,
    publish_at  TIMESTAMP NOT NULL,
    activate_at TIMESTAMP NOT NULL,
    retire_at   TIMESTAMP,
    remove_at   TIMESTAMP,
    revoked_at  TIMESTAMP
);
-- One key of a use and algorithm has no successor yet: two nodes that make or follow it at once conflict here.
CREATE UNIQUE INDEX keys_tail ON keys (key_use, alg) WHERE retire_at IS NULL AND revoked_at IS NULL;

-- first is TRUE in the key that had to be the first, and NULL elsewhere: there is one such key at most.
CREATE TABLE admin_keys (
    id          TEXT PRIMARY KEY,
    first       BOOLEAN UNIQUE CHECK (first),
    name        TEXT NOT NULL,
    hash        BYTEA NOT NULL UNIQUE,
    hash_key    TEXT NOT NULL,
    created_at  TIMESTAMP NOT NULL,
    disabled_at TIMESTAMP
);

-- change_head has one row. Whoever numbers a change holds it until commit, so numbers become visible in their order.
CREATE TABLE change_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    n  BIGINT NOT NULL
);
INSERT INTO change_head (id, n) VALUES (1, 0);

CREATE TABLE changes (
    n      BIGINT PRIMARY KEY,
    kind   TEXT NOT NULL,
    record TEXT NOT NULL,
    at     TIMESTAMP NOT NULL
);
CREATE INDEX changes_at ON changes (at);

CREATE TABLE revocations (
    position   BIGINT PRIMARY KEY,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    not_before TIMESTAMP,
    at         TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    reason     TEXT NOT NULL,
    pushed_at  TIMESTAMP
);
CREATE INDEX revocations_subject ON revocations (kind, subject);
CREATE INDEX revocations_expires_at ON revocations (expires_at);
CREATE INDEX revocations_unpushed ON revocations (position) WHERE pushed_at IS NULL;

CREATE TABLE audit_events (
    node       TEXT NOT NULL,
    seq        BIGINT NOT NULL CHECK (seq > 0),
    id         TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    at         TIMESTAMP NOT NULL,
    actor      TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    address    TEXT NOT NULL,
    target     TEXT NOT NULL,
    reason     TEXT NOT NULL,
    request_id TEXT NOT NULL,
    prev       BYTEA NOT NULL,
    hash       BYTEA NOT NULL,
    PRIMARY KEY (node, seq)
);
CREATE INDEX audit_events_at ON audit_events (at, id);

CREATE TABLE traffic_events (
    id         TEXT PRIMARY KEY,
    node       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    at         TIMESTAMP NOT NULL,
    actor      TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    address    TEXT NOT NULL,
    target     TEXT NOT NULL,
    reason     TEXT NOT NULL,
    request_id TEXT NOT NULL
);
CREATE INDEX traffic_events_at ON traffic_events (at);

CREATE TABLE replay_marks (
    hash       BYTEA PRIMARY KEY,
    issued_at  TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
CREATE INDEX replay_marks_expires_at ON replay_marks (expires_at);

CREATE TABLE attempts (
    hash       BYTEA PRIMARY KEY,
    counted    BIGINT NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
CREATE INDEX attempts_expires_at ON attempts (expires_at);
