-- Bookkeeping of migrations.

-- name: lock
-- One migration of a schema at a time, until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('cipherstream.migrate', 0));

-- name: has_schema
-- Whether somebody made the schema.
select true from pg_namespace where nspname = $1;

-- name: stop_owners
-- Wait until no owner has a transaction open, and let none begin until the migration ends.
lock table shard_owner in exclusive mode;

-- name: create_table
-- The list of applied files, made by the first migration.
create table if not exists schema_migrations (
  version int primary key,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default now()
);

-- name: applied
-- Files that were applied, in order.
select version, name, checksum from schema_migrations order by version;

-- name: record
-- Remember a file as applied.
insert into schema_migrations (version, name, checksum) values ($1, $2, $3);
