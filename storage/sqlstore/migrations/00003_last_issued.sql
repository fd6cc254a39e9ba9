-- When a client last got a token (LastIssued): from the newest, without every other event of 30 days.
--
-- A step of its own: traffic_events is the largest table, and what a step has locked before it stays locked while the index
-- is built. Meanwhile traffic events wait in their nodes.

-- +goose Up
CREATE INDEX IF NOT EXISTS traffic_events_issued ON traffic_events (client_id, at) WHERE kind = 'token.issued';
