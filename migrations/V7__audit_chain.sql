-- Each event's link of a chain: a keyed hash over the link before it and the event. Rows from before the chain get theirs at the
-- first start; empty where an event did not open then.
ALTER TABLE audit_events ADD COLUMN chain BLOB NOT NULL DEFAULT x'' CHECK (length(chain) IN (0, 32));
