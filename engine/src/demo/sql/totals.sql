-- The figures a profile keeps about its user's rows.
update user_profiles as profile
   set total_goals = coalesce(goals.total, 0),
       total_tasks_completed = coalesce(blocks.total, 0),
       current_ari_score = latest.autonomy_retention
  from user_profiles as person
  left join (
           select user_id, count(*)::integer as total
             from ffe_goals
            group by user_id
       ) as goals using (user_id)
  left join (
           select user_id, count(*)::integer as total
             from atomic_blocks
            where completed
            group by user_id
       ) as blocks using (user_id)
  left join (
           select distinct on (user_id) user_id, autonomy_retention
             from ari_snapshots
            order by user_id, timestamp desc
       ) as latest using (user_id)
 where profile.user_id = person.user_id
   and profile.user_id like 'demo-user-%'
