//! What the user decides, reads and is refused.

use serde_json::Value;

use super::{
    sample,
    world::{World, folder},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_is_written_changed_and_taken() {
    let files = folder();
    let file = files.path().join("small.db");
    sample::small(&file);
    let world = World::new("mapped").await;
    let written = world.import(&file, "s", &["--write-mapping", "map.json"]);
    assert_eq!(written.code, 0, "{}", written.err);
    assert_eq!(world.tables("s").await, [""; 0]);
    let path = world.home.path().join("map.json");
    let mut mapping: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let column = &mut mapping["tables"]["people"]["columns"];
    assert_eq!(column["id"]["type"], "bigint", "{column}");
    assert_eq!(column["age"]["name"], "age", "{column}");
    column["age"]["type"] = "text".into();
    column["name"]["skip"] = true.into();
    mapping["tables"]["settings"]["skip"] = true.into();
    std::fs::write(&path, mapping.to_string()).unwrap();
    // What is left out by choice is missing too.
    world.verdict("explained", &file, "s", &["--mapping", "map.json"]);
    let columns = "select table_name || '.' || column_name || ' ' || data_type
                     from information_schema.columns
                    where table_schema = 's'
                    order by 1";
    let types = world.texts(columns).await;
    let of_people: Vec<&String> = types
        .iter()
        .filter(|column| column.starts_with("people."))
        .collect();
    assert_eq!(of_people, ["people.age text", "people.id bigint"]);
    assert_eq!(world.tables("s").await, ["people", "readings"]);
    let ages = "select id || ' ' || age from people order by id";
    assert_eq!(
        world.texts(&ages.replace("people", "s.people")).await,
        sample::texts(&file, ages)
    );

    mapping["tables"]["poeple"] = serde_json::json!({"skip": true});
    std::fs::write(&path, mapping.to_string()).unwrap();
    let unknown = world.import(&file, "t", &["--mapping", "map.json"]);
    unknown.failed_with(&["poeple", "hint: "]);
    assert_eq!(world.tables("t").await, [""; 0]);
    std::fs::write(&path, "{\"tabels\": {}}").unwrap();
    let wrong = world.import(&file, "t", &["--mapping", "map.json"]);
    wrong.failed_with(&["map.json", "tabels", "hint: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_a_refusal_change_nothing() {
    let files = folder();
    let file = files.path().join("small.db");
    sample::small(&file);
    let world = World::new("planned").await;
    let before = std::fs::read(&file).unwrap();
    let plan = world.import(&file, "s", &["--plan"]);
    assert_eq!(plan.code, 0, "{}", plan.err);
    for part in ["create table", "people", "generated", "primary key"] {
        assert!(plan.out.contains(part), "{part:?} is not in {}", plan.out);
    }
    let schemas = "select count(*) from pg_namespace where nspname = 's'";
    assert_eq!(world.number(schemas).await, 0);

    world
        .execute("create schema s; create table s.settings (mine integer); insert into s.settings values (7)")
        .await;
    let planned = world.import(&file, "s", &["--plan"]);
    assert_eq!(planned.code, 1, "{}", planned.err);
    assert!(planned.out.contains("create table"), "{}", planned.out);
    planned.failed_with(&["settings", "hint: "]);
    let refused = world.import(&file, "s", &[]);
    refused.failed_with(&["settings", "hint: "]);
    assert_eq!(world.tables("s").await, ["settings"]);
    assert_eq!(world.texts("select mine::text from s.settings").await, ["7"]);
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // What is refused leaves nothing behind that a later import would stumble over.
    world.verdict("explained", &file, "s", &["--skip", "settings"]);
    assert_eq!(world.tables("s").await, ["people", "readings", "settings"]);
    assert_eq!(world.texts("select mine::text from s.settings").await, ["7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_a_file_too() {
    let files = folder();
    let file = files.path().join("small.db");
    sample::small(&file);
    let world = World::new("reported").await;
    let shown = world.identical(&file, "s", &["--report", "report.json"]);
    let read = |name: &str| std::fs::read_to_string(world.home.path().join(name)).unwrap();
    let kept: Value = serde_json::from_str(&read("report.json")).unwrap();
    assert_eq!(kept, shown);
    let done = world.import(&file, "t", &["--report", "report.md"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let text = read("report.md");
    for part in [
        "# Import of small.db into ",
        "| people | 500 | 500 |",
        "Identical",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let over = world.import(&file, "u", &["--report", "report.md"]);
    over.failed_with(&["report.md"]);
    assert_eq!(read("report.md"), text);
    assert_eq!(world.tables("u").await, [""; 0]);
}
