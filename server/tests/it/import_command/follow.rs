//! Bringing over what changed in the file, until the last time.

use std::path::Path;

use super::{
    sample,
    world::{World, folder},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_in_a_followed_file_is_brought_over_until_the_last_time() {
    let files = folder();
    let file = files.path().join("small.db");
    sample::small(&file);
    let world = World::new("followed").await;
    world.identical(&file, "s", &["--follow"]);
    same(&world, &file).await;

    sample::run(
        &file,
        "update people set age = age + 1 where id % 7 = 0;
         delete from people where id between 100 and 120;
         insert into people (name, age) values ('new', 1), ('newer', null);
         insert into readings values (3, 'c');
         delete from readings where rowid = 1;
         update settings set value = 'blue' where name = 'colour';
         delete from settings where name = 'size';
         insert into settings values ('shape', 'round');",
    );
    let report = world.identical(&file, "s", &["--follow"]);
    assert_eq!(report["tables"].as_array().unwrap().len(), 3, "{report}");
    same(&world, &file).await;

    sample::run(
        &file,
        "update people set name = upper(name) where id < 50;
         delete from people where id = (select max(id) from people);
         update readings set note = 'z';",
    );
    world.identical(&file, "s", &["--follow"]);
    same(&world, &file).await;

    sample::run(&file, "insert into people (name) values ('the last one')");
    world.identical(&file, "s", &[]);
    same(&world, &file).await;
    assert_eq!(world.tables("s").await, ["people", "readings", "settings"]);
    // The identity goes on where the file's numbers end.
    world
        .execute("insert into s.people (name) values ('made in PostgreSQL')")
        .await;
    let mine = world
        .number("select id from s.people where name = 'made in PostgreSQL'")
        .await;
    let last = sample::texts(&file, "select cast(seq as text) from sqlite_sequence");
    assert_eq!(last, [(mine - 1).to_string()]);
}

/// Compares every value on both sides by the same statements.
async fn same(world: &World, file: &Path) {
    for (table, list) in [
        (
            "people",
            "id || '|' || name || '|' || coalesce(cast(age as text), 'none')",
        ),
        ("readings", "sensor || '|' || note"),
        ("settings", "name || '|' || value"),
    ] {
        let sql = |table: &str| format!("select {list} from {table} order by 1");
        assert_eq!(
            world.texts(&sql(&format!("s.{table}"))).await,
            sample::texts(file, &sql(table)),
            "{table}"
        );
    }
}
