-- How far what a schedule took is verified again: L1 read back whole, L2 restored for trial, L3 equal to its snapshot.
alter table schedules
    add column verify_level smallint not null default 1 check (verify_level between 1 and 3);
