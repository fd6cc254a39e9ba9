-- When a client last got a token of a kind of grant (LastIssued): the newest, without any other event of 30 days.
--
-- A step of its own: traffic_events is the largest table, and what a step has locked before it stays locked while the index
-- is built. Meanwhile traffic events wait in their nodes.

-- +goose Up
CREATE INDEX IF NOT EXISTS traffic_events_issued ON traffic_events (client_id, reason, at) WHERE kind = 'token.issued';
