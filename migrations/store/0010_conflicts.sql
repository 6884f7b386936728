-- Jobs exclude each other by what conflicts, and no longer by being one of the exclusive ones. What a job does to its
-- database is its class of work; which classes may not be at work on one database at the same time stands here and nowhere else:
--   aside     touches nothing of the live database: reads files, works in another database, rolls back what it does
--   read      reads all of it under one snapshot (a backup)
--   maintain  analyzes, vacuums
--   change    changes structure or rows: migrations, indexes, imports, a restore into it
--   swap      puts another database in its place
create table work_conflicts (
    work text not null check (work in ('aside', 'read', 'maintain', 'change', 'swap')),
    other text not null check (other in ('aside', 'read', 'maintain', 'change', 'swap')),
    primary key (work, other)
);

insert into work_conflicts (work, other)
     values ('read', 'change'), ('change', 'read'),
            ('maintain', 'maintain'),
            ('maintain', 'change'), ('change', 'maintain'),
            ('change', 'change'),
            ('swap', 'aside'), ('aside', 'swap'),
            ('swap', 'read'), ('read', 'swap'),
            ('swap', 'maintain'), ('maintain', 'swap'),
            ('swap', 'change'), ('change', 'swap'),
            ('swap', 'swap');

-- The job that a waiting one waits for, as whoever could take it saw last.
alter table jobs add column waits_for uuid references jobs;

alter table jobs add column work text;
update jobs
   set work = case
           when not exclusive then 'aside'
           when kind = 'backup' then 'read'
           else 'change'
       end,
       -- Of a waiting job: when one that could take it looked last.
       heartbeat_at = case when state = 'queued' then now() else heartbeat_at end;
alter table jobs alter column work set not null;
alter table jobs add check (work in ('aside', 'read', 'maintain', 'change', 'swap'));

drop index jobs_one_at_work_per_database;
drop index jobs_one_waiting_per_database_and_kind;
alter table jobs drop column exclusive;

-- A second click finds the first job. What works aside is about more than its database (a file, a backup), and is told
-- apart by its own area.
create unique index jobs_one_waiting_per_database_and_kind on jobs (database_id, kind, work)
    where work <> 'aside' and state in ('queued', 'running', 'cancelling');
create index jobs_live_by_database on jobs (database_id) where state in ('queued', 'running', 'cancelling');

-- The job that stands in the way of a waiting one: one at work, else one that has waited longer. So an endless flow of jobs
-- that get along with each other never keeps one waiting that gets along with none of them. A job that nobody has wanted to take
-- for ten seconds holds up no other one: the process that could do it is away.
create function job_in_the_way(asked jobs) returns uuid
language sql stable as $$
    select other.id
      from jobs other
     where other.database_id = asked.database_id
       and other.id <> asked.id
       and exists (
               select
                 from work_conflicts conflict
                where conflict.work = asked.work
                  and conflict.other = other.work)
       and (other.state in ('running', 'cancelling')
            or (other.state = 'queued'
                and (other.created_at, other.id) < (asked.created_at, asked.id)
                and other.heartbeat_at > now() - interval '10 seconds'))
     order by other.state = 'queued', other.created_at, other.id
     limit 1
$$;

-- What a waiting job waits for, for a reader: nothing any more once that is over.
create function job_waits_for(asked jobs) returns jsonb
language sql stable as $$
    select jsonb_build_object('id', other.id, 'title', other.title)
      from jobs other
     where asked.state = 'queued'
       and other.id = asked.waits_for
       and other.state in ('queued', 'running', 'cancelling')
$$;

-- Jobs that conflict are never at work together, whatever the processes do: whoever takes one waits here for those who take
-- another one on the same database, and then sees it.
create function keep_jobs_apart() returns trigger
language plpgsql as $$
begin
    if new.state = 'queued' then
        new.waits_for := job_in_the_way(new);
        return new;
    end if;
    new.waits_for := null;
    if new.state = 'running' and new.database_id is not null then
        perform
           from databases
          where id = new.database_id
            for no key update;
        if exists (
               select
                 from jobs other
                 join work_conflicts conflict
                   on conflict.work = new.work
                  and conflict.other = other.work
                where other.database_id = new.database_id
                  and other.id <> new.id
                  and other.state in ('running', 'cancelling')) then
            raise exception 'a job that conflicts with this one is at work on its database'
                using errcode = 'exclusion_violation', constraint = 'jobs_kept_apart';
        end if;
    end if;
    return new;
end
$$;

create trigger jobs_kept_apart_at_start
    before insert on jobs
    for each row
    execute function keep_jobs_apart();
create trigger jobs_kept_apart
    before update of state on jobs
    for each row
    when (old.state is distinct from new.state)
    execute function keep_jobs_apart();
