-- Calls that a contract of the gateway refused, and how often: what counts against the sender's limits.

create table refusals (
  address bytea not null,
  call_hash bytea not null,
  item text not null,
  tenant text not null,
  error text not null,
  count bigint not null default 1,
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  primary key (address, call_hash)
);
create index refusals_item on refusals (tenant, item);
