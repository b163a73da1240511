-- What the transaction-sender's role may do: its own tables, and reading which migrations were applied.
-- {schema} and {role} are quoted identifiers; GRANT takes no parameters.

-- name: revoke
-- Whatever the role was given in this schema before.
revoke all on all tables in schema {schema} from {role};

-- name: schema
-- Names of the schema can be looked up.
grant usage on schema {schema} to {role};

-- name: tables
-- Rows are locked, written and never deleted.
grant select, insert, update on {schema}.transactions, {schema}.sender_epochs, {schema}.refusals to {role};

-- name: migrations
-- The check at start.
grant select on {schema}.schema_migrations to {role};
