-- Managed databases by what they are: a name may change, an address may move, and two databases may have one name.
create table databases (
    id bigint generated always as identity primary key,
    -- The cluster's own number, which its standbys share; `at <address>` where the console's role may not read it.
    system_identifier text not null,
    -- The database's number in its cluster.
    oid bigint not null,
    first_seen_at timestamptz not null default clock_timestamp(),
    unique (system_identifier, oid)
);

-- What the consoles of this store call them. A name means one database.
create table database_names (
    name text primary key,
    database_id bigint not null references databases,
    -- Its own name on its server, and where it was reached last.
    database text not null,
    address text not null,
    -- When it got this name, and when it was last seen under it.
    named_at timestamptz not null default clock_timestamp(),
    seen_at timestamptz not null default clock_timestamp()
);

create index database_names_by_database on database_names (database_id);

-- Which database a job is for; null for work on none. What was queued before databases had an identity gets it when
-- the database is first reached.
alter table jobs add column database_id bigint references databases;

-- Whatever a database is called, two exclusive jobs never run on it, and a second click finds the first job.
create unique index jobs_one_at_work_per_database on jobs (database_id)
    where exclusive and state in ('running', 'cancelling');
create unique index jobs_one_waiting_per_database_and_kind on jobs (database_id, kind)
    where exclusive and state in ('queued', 'running', 'cancelling');
drop index jobs_one_at_work_per_target;
drop index jobs_one_waiting_per_kind;

create index jobs_unbound on jobs (target) where database_id is null and target is not null;

-- Where a stored backup lies: the backup folder as this console names it, and the folder in it. Null for rows from before
-- databases had an identity: such a folder is named after the target alone.
alter table backups add column root text;
alter table backups add column folder text;

-- The keys that manifests and proofs of backups are sealed with. The first one seals; all of them are believed: each
-- console that had a key of its own has brought it here.
create table backup_keys (
    number bigint generated always as identity primary key,
    -- The first 16 hexadecimal digits of the key's SHA-256; stands in what the key sealed.
    id text not null unique,
    key bytea not null check (octet_length(key) = 32),
    added_at timestamptz not null default clock_timestamp()
);
