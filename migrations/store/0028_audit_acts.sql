-- Which two entries tell of one act that is no job's: of its beginning and its end. It is no part of an entry's text, so that the chain
-- stays what it is.
alter table audit_log add column act uuid;

create index audit_log_by_act on audit_log (act) where act is not null;
