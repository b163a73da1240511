-- What operators know of alarms, beside the alarms: those are rows of decisions, which a replay must give again.

-- By the digest of what an alarm said: one that says something else later is not meant.
create table alarm_acknowledgements (
  tenant text not null,
  kind text not null,
  subject bytea not null,
  detail_digest bytea not null,
  reason text not null,
  request text not null,
  at timestamptz not null default now(),
  primary key (tenant, kind, subject, detail_digest)
);

-- Alarms, and answers of which there must be one, as far as no operator has acknowledged what they say. With `=` the
-- digest would be a key of the join, computed of every alarm at every look; so it is of the acknowledged ones only.
create view standing_alarms as
select tenant, kind, subject, detail, seen_at
from (
  select tenant, kind, subject, detail, seen_at from alarms
  union all
  select tenant, 'divergence_' || kind, subject, encode(other, 'hex'), seen_at from divergences
) raised
where not exists (
  select 1 from alarm_acknowledgements known
  where known.tenant = raised.tenant and known.kind = raised.kind and known.subject = raised.subject
    and known.detail_digest is not distinct from sha256(convert_to(raised.detail, 'UTF8'))
);

-- Of former versions, one for each range with its hash as subject, which no decision ends: since then a tenant has
-- one without a subject.
delete from alarms where kind = 'gateway_range' and subject <> '';
