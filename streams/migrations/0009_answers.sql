-- The gateway's answer to a request, and how our verdict stands to it.

alter table verify_proofs add column accepted boolean;
alter table verify_proofs add column agreed bytea[] not null default '{}';
alter table verify_proofs add column answer_end bigint not null default -1;
alter table verify_proofs add column standing text not null default 'open';
create index verify_proofs_answer_end on verify_proofs (tenant, answer_end);
create index verify_proofs_disputed on verify_proofs (tenant, zk_proof_id) where standing = 'disputed';

-- Whether an item waited for a handle before there was one to compute it: only such can close a cycle.
alter table handles add column is_awaited boolean not null default false;
