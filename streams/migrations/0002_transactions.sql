-- The sender's own table: every transaction that it ever signed. Only transaction-sender writes here.

create table sender_epochs (
  address bytea primary key,
  epoch bigint not null
);

create table transactions (
  address bytea not null,
  nonce bigint not null,
  call_hash bytea not null,
  item text not null,
  tenant text not null,
  to_address bytea not null,
  data bytea not null,
  gas bigint not null,
  raw bytea not null,
  hash bytea not null,
  max_fee numeric(78) not null,
  priority_fee numeric(78) not null,
  earlier bytea[] not null,
  state text not null check (state in ('signed', 'confirmed', 'reverted', 'lost')),
  block_number bigint not null default 0,
  transaction_hash bytea not null default '',
  signed_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (address, nonce)
);
-- A call is under way, or done, once.
create unique index transactions_call on transactions (address, call_hash) where state in ('signed', 'confirmed');
create index transactions_signed on transactions (address, nonce) where state = 'signed';
create index transactions_item on transactions (tenant, item);
