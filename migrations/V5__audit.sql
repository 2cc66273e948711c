-- What happened. Client addresses and names are inside the sealed record.
CREATE TABLE audit_events (
    id     INTEGER NOT NULL PRIMARY KEY,        -- given by the writer, before the insert
    at     INTEGER NOT NULL,                    -- unix ms
    kind   TEXT    NOT NULL,
    record BLOB    NOT NULL            -- sealed: JSON
) STRICT;
CREATE INDEX audit_events_at ON audit_events (at);
