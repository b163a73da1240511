-- Where a tenant's chain begins: a reorganisation may take that very block, and another one of its number is then the
-- beginning of the other branch. -1 where no block has come yet.
alter table tenants add column anchor_number bigint not null default -1;
update tenants set anchor_number = blocks.number
from blocks
where blocks.tenant = tenants.tenant and blocks.sequence = 0;
