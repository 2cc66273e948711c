-- Long-lived keys of scripts. The record holds only a keyed hash of the secret.
CREATE TABLE access_keys (
    id     BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 6),
    name   TEXT NOT NULL UNIQUE,
    record BLOB NOT NULL               -- sealed: JSON {hash, scopes, created, expires, last used}
) STRICT, WITHOUT ROWID;
