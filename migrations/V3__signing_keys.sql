-- Ed25519 keys that sign tokens. The public half stands beside the sealed private half for tools; at start it must fit it.
CREATE TABLE signing_keys (
    kid         TEXT    NOT NULL PRIMARY KEY,   -- RFC 7638 thumbprint
    public_key  BLOB    NOT NULL CHECK (length(public_key) = 32),
    created_at  INTEGER NOT NULL,               -- unix ms
    retired_at  INTEGER,                        -- unix ms; set: verifies only, until the last token it signed has expired
    private_key BLOB    NOT NULL                -- sealed: 32-byte seed
) STRICT, WITHOUT ROWID;
