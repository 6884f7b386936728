insert into ffe_goals (
    goal_id, user_id, created_at, description, importance, complexity_level, estimated_value, status, completed_at, deadline
)
select pg_temp.id('goal', n),
       pg_temp.user_id(pg_temp.person(n, 31)),
       created,
       pg_temp.pick(n, 1, array['Learn enough Spanish for a holiday', 'Finish the quarterly report', 'Run ten kilometres',
           'Tidy up the photo archive', 'Get the certificate', 'Write the first chapter', 'Move to the new flat',
           'Prepare the talk', 'Save for a bicycle', 'Understand the new code base']),
       1 + floor(pg_temp.u(n, 2) * 10)::integer,
       pg_temp.pick(n, 3, array['atomic', 'micro', 'micro', 'mini', 'mini', 'macro', 'mega']),
       case when pg_temp.u(n, 4) < 0.6 then round((100 * exp(3 * pg_temp.u(n, 5)))::numeric, 2)::double precision end,
       status,
       case when status = 'completed' then least(created + pg_temp.u(n, 7) * interval '60 days', pg_temp.moment(1, 1)) end,
       case when pg_temp.u(n, 8) < 0.4 then created + (5 + pg_temp.u(n, 9) * 85) * interval '1 day' end
  from generate_series($1::bigint, $2::bigint) as n
 cross join lateral (
           select pg_temp.moment(n, $3::bigint) as created,
                  -- atomic_blocks.sql asks for the same person (31) and status (32).
                  pg_temp.pick(n, 32, array['completed', 'completed', 'completed', 'active', 'active', 'abandoned', 'paused'])
                      as status
       ) as goals
 order by n
