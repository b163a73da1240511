-- name: standing
-- delegations as they stand, all of them or those that an account gave or has
select tenant, delegator, delegate, contract_address, delegation_counter, expiration_date, is_revoked, block_number
from delegations
where $1::bytea is null or $1 in (delegator, delegate)
order by tenant, delegator, delegate, contract_address;
