-- The audit log as evidence, bounded refusals, and passwords that end.

-- Each entry's link: a hash over the link before it and the entry's own text, so that an entry that was changed, removed
-- or slipped in later shows. The order of links is the order of commits; an entry's number is taken before.
create table audit_chain (
    link bigint primary key,
    -- No foreign key: a link outlives an entry that was removed by force, and tells of it. Only link 0 has none.
    entry bigint unique,
    hash bytea not null check (octet_length(hash) = 32),
    constraint audit_chain_begins_without_entry check ((link = 0) = (entry is null))
);

-- Where the chain begins: older entries are counted, and not proven by it.
create table audit_chain_begin (
    one boolean primary key default true check (one),
    at timestamptz not null,
    -- Entries before, and the number of the last one; 0 where there is none.
    entries bigint not null,
    last bigint not null
);

-- An entry as the text that its hash is made of: each value as `length:value`, or `-` for none, with commas between.
create function audit_entry_text(entry audit_log) returns text
    language sql
    stable
as $$
    select string_agg(coalesce(char_length(value) || ':' || value, '-'), ',' order by place)
    from unnest(array[
        entry.id::text,
        -- Microseconds since 1970.
        (extract(epoch from entry.at) * 1000000)::bigint::text,
        entry.severity,
        entry.event_type,
        entry.user_name,
        entry.address,
        entry.target,
        entry.object,
        entry.outcome,
        entry.detail,
        entry.job::text
    ]) with ordinality as parts (value, place)
$$;

create function audit_log_is_chained() returns trigger
    language plpgsql
    set search_path from current
as $$
declare
    before audit_chain;
begin
    -- One after the other from here to the end of the commit, which is next: the trigger is deferred.
    perform pg_advisory_xact_lock(7303, 0);
    select * into strict before from audit_chain order by link desc limit 1;
    insert into audit_chain (link, entry, hash)
    values (before.link + 1, new.id, sha256(before.hash || convert_to(audit_entry_text(new), 'UTF8')));
    return null;
end
$$;

create constraint trigger audit_log_is_chained
    after insert on audit_log
    deferrable initially deferred
    for each row execute function audit_log_is_chained();

-- After the trigger, whose making waits until nobody adds entries any more.
with begin as (
    insert into audit_chain_begin (at, entries, last)
    select clock_timestamp(), count(*), coalesce(max(id), 0)
    from audit_log
    returning at, entries, last
)
insert into audit_chain (link, hash)
select 0,
       sha256(convert_to(
           format('pgsteward audit chain 1,%s,%s,%s', (extract(epoch from at) * 1000000)::bigint, entries, last),
           'UTF8'
       ))
from begin;

create trigger audit_chain_is_append_only
    before update or delete on audit_chain
    for each row execute function audit_log_is_append_only();

create trigger audit_chain_is_never_truncated
    before truncate on audit_chain
    for each statement execute function audit_log_is_append_only();

create trigger audit_chain_begin_is_append_only
    before update or delete on audit_chain_begin
    for each row execute function audit_log_is_append_only();

-- Refusals that come again and again: the first is an entry at once, those after it are counted here, and become one
-- entry when their time is over.
create table audit_repeats (
    event_type text not null,
    -- Who or from where, as the event counts it; empty for all others together.
    key text not null,
    user_name text,
    address text,
    object text,
    since timestamptz not null default clock_timestamp(),
    more bigint not null default 0,
    primary key (event_type, key)
);

create index audit_repeats_by_time on audit_repeats (since);

-- A password that somebody else chose or saw opens nothing after this moment; null for one's own.
alter table users add column password_expires_at timestamptz;
