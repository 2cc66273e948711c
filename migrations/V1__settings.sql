-- Settings the owner changed. Every value is sealed, sensitive or not, so that nobody who can only write the file flips a flag.
CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL                -- sealed: JSON value
) STRICT, WITHOUT ROWID;

-- Single facts of the server: the key under which tokens are hashed, the highest wall-clock time seen.
CREATE TABLE server_state (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL                -- sealed: bytes, by name
) STRICT, WITHOUT ROWID;

-- The access password: one row.
CREATE TABLE passwords (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    record BLOB NOT NULL               -- sealed: JSON {PHC string, generation, origin, changed}
) STRICT;
