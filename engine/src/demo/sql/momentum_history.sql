insert into momentum_history (user_id, timestamp, state, goal_id)
select pg_temp.user_id(pg_temp.person(goal, 31)),
       pg_temp.moment(n, $3::bigint),
       pg_temp.pick(n, 2, array['idle', 'win', 'affirm', 'pivot', 'reframe', 'launch']),
       case when pg_temp.u(n, 3) < 0.7 then pg_temp.id('goal', goal) end
  from generate_series($1::bigint, $2::bigint) as n
 cross join lateral (
           select 1 + floor(pg_temp.u(n, 1) * {goals})::bigint as goal
       ) as origin
 order by n
