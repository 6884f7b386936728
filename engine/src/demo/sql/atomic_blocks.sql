with
-- Blocks follow each other goal by goal: block n belongs to goal (n - 1) * goals / blocks + 1.
placed as (
    select n,
           (n - 1) * {goals} / $3::bigint + 1 as goal
      from generate_series($1::bigint, $2::bigint) as n
),
-- The block's place in its goal, from 0, and whether it is done: all of a completed goal, the first ones of others.
ordered as (
    select n,
           goal,
           block_index,
           pg_temp.pick(goal, 32, array['completed', 'completed', 'completed', 'active', 'active', 'abandoned', 'paused'])
               = 'completed' or pg_temp.u(goal, 33) * 4 > block_index + 1 as completed,
           pg_temp.moment(goal, {goals}) as created
      from placed
     cross join lateral (
               select ((n - 1) - ((goal - 1) * $3::bigint + {goals} - 1) / {goals})::integer as block_index
           ) as within
)
insert into atomic_blocks (
    block_id, goal_id, user_id, description, block_index, size, estimated_minutes, original_description,
    reframed_description, strengths_used, completed, completed_at
)
select pg_temp.id('block', n),
       pg_temp.id('goal', goal),
       pg_temp.user_id(pg_temp.person(goal, 31)),
       pg_temp.pick(n, 1, array['Collect what is there', 'Write an outline', 'Ask one person', 'Do the first ten minutes',
           'Read two pages', 'Set up the tools', 'Make a list', 'Send the draft']),
       block_index,
       pg_temp.pick(n, 2, array['tiny', 'small', 'small', 'medium', 'large']),
       5 * (1 + floor(pg_temp.u(n, 3) * 18)::integer),
       case when reframed then 'Get it over with' end,
       case when reframed then 'Use your curiosity: what is the most surprising part?' end,
       case when reframed then '["curiosity"]' end,
       completed,
       case
           when completed
           then least(created + (block_index + pg_temp.u(n, 5)) * interval '9 days', pg_temp.moment(1, 1))
       end
  from ordered
 cross join lateral (
           select pg_temp.u(n, 4) < 0.3 as reframed
       ) as worded
 order by n
