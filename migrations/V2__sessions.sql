-- A session (token family). Everything that decides who gets in is inside the sealed record: keyed hashes of the
-- secrets, times, limits. `revision` is the compare-and-swap counter of concurrent refreshes.
CREATE TABLE sessions (
    id       BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    revision INTEGER NOT NULL,
    record   BLOB    NOT NULL          -- sealed: JSON
) STRICT, WITHOUT ROWID;

-- Signin tokens, known by keyed hash. A spent one stays until `forget_at`, so that its second use is noticed.
CREATE TABLE signin_tokens (
    hash      BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    forget_at INTEGER NOT NULL,        -- unix ms
    record    BLOB    NOT NULL         -- sealed: JSON {expires, spent by session}
) STRICT, WITHOUT ROWID;

-- Operation tokens that were used, until they would have expired anyway.
CREATE TABLE spent_tokens (
    jti        BLOB    NOT NULL PRIMARY KEY CHECK (length(jti) = 16),
    forget_at  INTEGER NOT NULL        -- unix ms
) STRICT, WITHOUT ROWID;
