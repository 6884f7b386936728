-- How far a restore was, of all that it has to do, after which time: the next one of the same database goes by it.
alter table restores add column pace jsonb;
