insert into progress_tapestry (
    entry_id, user_id, timestamp, win_description, win_type, goal_id, pride_level, strengths_used, connected_to
)
select pg_temp.id('win', n),
       pg_temp.user_id(pg_temp.person(goal, 31)),
       pg_temp.moment(n, $3::bigint),
       pg_temp.pick(n, 2, array['Started although it was late', 'Finished the hardest part', 'Asked for help',
           'Kept the promise', 'Found a simpler way', 'Said no']),
       pg_temp.pick(n, 3, array['block_completed', 'block_completed', 'goal_completed', 'insight', 'habit']),
       case when pg_temp.u(n, 4) < 0.8 then pg_temp.id('goal', goal) end,
       0.3 + 0.7 * pg_temp.u(n, 5),
       '["perseverance"]',
       case when n > 1 and pg_temp.u(n, 6) < 0.2 then jsonb_build_array(pg_temp.id('win', n - 1))::text end
  from generate_series($1::bigint, $2::bigint) as n
 cross join lateral (
           select 1 + floor(pg_temp.u(n, 1) * {goals})::bigint as goal
       ) as origin
 order by n
