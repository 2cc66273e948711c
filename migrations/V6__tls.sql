-- The local authority (tls.self_signed) and the server's certificate that it issued: one row each.
CREATE TABLE tls_keys (
    name        TEXT NOT NULL PRIMARY KEY CHECK (name IN ('authority', 'server')),
    certificate BLOB NOT NULL,         -- sealed: X.509, DER
    private_key BLOB NOT NULL          -- sealed: PKCS #8, DER
) STRICT, WITHOUT ROWID;
