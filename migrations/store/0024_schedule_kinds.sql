-- How a schedule's backups are made: over how many connections, and how they are compressed.
alter table schedules
    add column parallel integer not null default 1 check (parallel between 1 and 64),
    add column compression text not null default 'usual'
        check (compression in ('usual', 'none', 'gzip', 'lz4', 'zstd'));
