-- Whose numbers are whose. A primary and its standbys are one database, and what each of them does is its own: what is measured
-- belongs to a series, one for each name under which a database is managed.
create table series (
    id bigint generated always as identity primary key,
    database_id bigint not null references databases on delete cascade,
    -- The managed database's name; '' for what was measured of a database that had none any more when this table was made.
    name text not null,
    -- Where it was reached last, by which a server is known again when its name was changed.
    address text not null,
    unique (database_id, name)
);

-- What is there goes on under the name that its database had first. Its series has the database's number, so that no row of
-- history is written anew.
insert into series (id, database_id, name, address)
overriding system value
select databases.id,
       databases.id,
       coalesce(first.name, ''),
       coalesce(first.address, '')
  from databases
  left join lateral (
        select name, address
          from database_names
         where database_id = databases.id
         order by named_at, name
         limit 1) as first on true;
select setval(pg_get_serial_sequence('series', 'id'), coalesce((select max(id) from series), 0) + 1, false);

alter table history rename column database_id to series_id;
alter table history
    drop constraint history_database_id_fkey,
    add constraint history_series_id_fkey foreign key (series_id) references series on delete cascade;
alter table history_turns rename column database_id to series_id;
alter table history_turns
    drop constraint history_turns_database_id_fkey,
    add constraint history_turns_series_id_fkey foreign key (series_id) references series on delete cascade;
alter table pulses rename column database_id to series_id;
-- A permanent table is referenced by an unlogged one, as before.
alter table pulses
    drop constraint pulses_database_id_fkey,
    add constraint pulses_series_id_fkey foreign key (series_id) references series on delete cascade;
alter table query_looks rename column database_id to series_id;
alter table query_looks
    drop constraint query_looks_database_id_fkey,
    add constraint query_looks_series_id_fkey foreign key (series_id) references series on delete cascade;
alter table query_texts rename column database_id to series_id;
alter table query_texts
    drop constraint query_texts_database_id_fkey,
    add constraint query_texts_series_id_fkey foreign key (series_id) references series on delete cascade;
alter table query_intervals rename column database_id to series_id;
alter table query_intervals
    drop constraint query_intervals_database_id_fkey,
    add constraint query_intervals_series_id_fkey foreign key (series_id) references series on delete cascade;
alter table query_deltas rename column database_id to series_id;
alter table query_deltas
    drop constraint query_deltas_database_id_fkey,
    add constraint query_deltas_series_id_fkey foreign key (series_id) references series on delete cascade;

-- A deployment is the database's; a restart is that of one of its servers.
alter table history_marks add column series_id bigint references series on delete cascade;
update history_marks set series_id = database_id where kind = 'restart';
