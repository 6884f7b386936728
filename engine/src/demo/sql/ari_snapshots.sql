with
-- Who and when.
taken as (
    select n,
           pg_temp.person(n, 1) as person,
           n::double precision / $3::bigint as age
      from generate_series($1::bigint, $2::bigint) as n
),
-- The seven dimensions.
measured as (
    select n,
           person,
           pg_temp.dimension(n, person, age, 11) as decision_quality,
           pg_temp.dimension(n, person, age, 12) as skill_development,
           pg_temp.dimension(n, person, age, 13) as ai_reliance,
           pg_temp.dimension(n, person, age, 14) as bottleneck_resolution,
           pg_temp.dimension(n, person, age, 15) as user_confidence,
           pg_temp.dimension(n, person, age, 16) as engagement,
           pg_temp.dimension(n, person, age, 17) as autonomy_perception
      from taken
)
insert into ari_snapshots (
    snapshot_id, user_id, timestamp, decision_quality, skill_development, ai_reliance, bottleneck_resolution,
    user_confidence, engagement, autonomy_perception, autonomy_retention, delta_agency, task_description, task_complexity
)
select pg_temp.id('ari', n),
       pg_temp.user_id(person),
       pg_temp.moment(n, $3::bigint),
       decision_quality,
       skill_development,
       ai_reliance,
       bottleneck_resolution,
       user_confidence,
       engagement,
       autonomy_perception,
       (decision_quality + skill_development + (1 - ai_reliance) + bottleneck_resolution + user_confidence + engagement
           + autonomy_perception) / 7,
       0.2 * (pg_temp.u(n, 18) - 0.45),
       case
           when pg_temp.u(n, 19) < 0.8
           then pg_temp.pick(n, 20, array['Draft a reply to a customer', 'Summarise a meeting', 'Plan the week',
               'Review a pull request', 'Compare two offers', 'Prepare a lesson', 'Debug a failing test',
               'Write a project update', 'Translate a letter', 'Research a purchase'])
       end,
       pg_temp.pick(n, 21, array['trivial', 'simple', 'simple', 'moderate', 'moderate', 'moderate', 'complex', 'expert'])
  from measured
 order by n
