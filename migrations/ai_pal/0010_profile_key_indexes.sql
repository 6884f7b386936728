-- no-transaction
-- Deleting a profile looks for its rows in each table. Every other table has an index that begins with user_id among
-- those the Optimize page creates; these two have none.
create index concurrently if not exists idx_tapestry_user_id on progress_tapestry (user_id);

create index concurrently if not exists idx_momentum_user_id on momentum_history (user_id);
