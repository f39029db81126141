-- Questions of the command line: "have you noticed what I changed?". The running server takes a question away once it
-- acts on everything that was written before it.
CREATE TABLE notices (
    id BYTEA PRIMARY KEY CHECK (length(id) = 16)
);
