-- A kept record is named by its place and what it says, as `Record.identity` does: a log that was made anew, or cut,
-- has other records at the same places, and they are kept too.
alter table halted_records add column id bytea;
update halted_records set id = sha256(
  convert_to(topic || '/' || part || '/' || off || '/', 'UTF8') || sha256(coalesce(key, '')) || sha256(coalesce(value, '')));
alter table halted_records alter column id set not null;
alter table halted_records add unique (id);
alter table halted_records drop constraint halted_records_topic_part_off_key;

-- The alarm has the identity of the record that halts its tenant, by which `control skip` names it.
update alarms set subject = kept.id
from halted_tenants halted
join halted_records kept on kept.topic = halted.topic and kept.part = halted.part and kept.off = halted.off
where alarms.tenant = halted.tenant and alarms.kind = 'halted';
