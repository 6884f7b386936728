with
-- The last hundredth is still to be done; of the rest one in twenty has failed.
queued as (
    select n,
           kind,
           pg_temp.moment(n, $3::bigint) as created,
           case
               when n > $3::bigint - $3::bigint / 100 then (array['pending', 'running'])[1 + (n % 20 = 0)::integer]
               when pg_temp.u(n, 2) < 0.05 then 'failed'
               else 'completed'
           end as status,
           -- Seconds; a few take minutes.
           0.05 * exp(9 * power(pg_temp.u(n, 3), 2)) as duration
      from generate_series($1::bigint, $2::bigint) as n
     cross join lateral (
               select pg_temp.pick(n, 1, array['ari_snapshot', 'ari_snapshot', 'ffe_planning', 'edm_analysis', 'edm_analysis',
                   'maintenance']) as kind
           ) as kinds
)
insert into background_tasks (
    task_id, task_name, user_id, task_type, status, priority, created_at, started_at, completed_at, result, error_message,
    error_traceback, attempts, max_retries, args, kwargs, duration_seconds, celery_task_id
)
select pg_temp.id('task', n),
       'ai_pal.tasks.' || kind,
       case when kind <> 'maintenance' then pg_temp.user_id(pg_temp.person(n, 4)) end,
       kind,
       status,
       1 + floor(pg_temp.u(n, 5) * 10)::integer,
       created,
       case when status <> 'pending' then created end,
       case when status in ('completed', 'failed') then created + duration * interval '1 second' end,
       case when status = 'completed' then jsonb_build_object('items', floor(pg_temp.u(n, 6) * 100))::text end,
       case when status = 'failed' then message end,
       case when status = 'failed' then 'Traceback (most recent call last):' || chr(10) || '  File "tasks.py", line '
           || 100 + n % 300 || ', in run' || chr(10) || message end,
       case status when 'pending' then 0 when 'failed' then 3 else 1 end,
       3,
       '[]',
       jsonb_build_object('window_days', 30)::text,
       case when status in ('completed', 'failed') then duration end,
       pg_temp.id('celery', n)
  from queued
 cross join lateral (
           select pg_temp.pick(n, 7, array['TimeoutError: model did not answer', 'ConnectionError: connection refused',
               'ValueError: empty plan']) as message
       ) as messages
 order by n
