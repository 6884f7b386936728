-- What a session was begun with, as its user knows it, such as `Firefox 140 on Linux`.
alter table sessions
    add column browser text
        constraint sessions_browser_is_short check (char_length(browser) <= 80);

create or replace view live_sessions as
select id, user_id, created_at, last_seen_at, absolute_expires_at, address, browser
from sessions
where ended_at is null
    and last_seen_at > now() - interval '30 minutes'
    and absolute_expires_at > now();

-- The beginning of a job's act finds its end, and the end its beginning.
create index audit_log_by_job on audit_log (job) where job is not null;
create index audit_log_by_address on audit_log (address, at, id);
