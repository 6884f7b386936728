//! Traps and real files, loaded into a real PostgreSQL.

use contract::import::{Severity, Verdict};
use testkit::sqlite::traps;

use super::{
    compare::differences,
    run::{Runner, into},
    world::hashes,
};

/// Samples of which something is not carried over.
const EXPLAINED_SAMPLES: [&str; 3] = [
    "django_dev.sqlite3",
    "northwind_jpwhite3.db",
    "pgloader_sqlite.db",
];

/// Traps of which something is not carried over, or texts are changed, as the plan says.
const EXPLAINED: [&str; 8] = [
    "generated_by_a_stranger",
    "computed_fails_at_a_row",
    "nul_in_text",
    "text_not_utf8",
    "missing_parent",
    "broken_view",
    "computed_from_computed",
    "clauses_of_rules",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_trap_arrives_value_by_value_and_the_file_stays_as_it_is() {
    let runner = Runner::new().await;
    let mut wrong = Vec::new();
    for trap in traps() {
        let file = trap.write(runner.folder.path());
        let before = hashes(runner.folder.path());
        let schema = format!("t_{}", trap.name);
        let id = runner.look(&file).await.unwrap();
        let plan = runner.plan(id, into(&schema)).await.unwrap();
        if !plan.obstacles.is_empty() {
            wrong.push(format!("{}: {:?}", trap.name, plan.obstacles));
            continue;
        }
        let report = match runner.go_on(id, true).await {
            Ok(report) => report,
            Err(fault) => {
                wrong.push(format!("{}: {fault} {:?}", trap.name, fault.target));
                continue;
            }
        };
        let expected = match EXPLAINED.contains(&trap.name) {
            true => Verdict::Explained,
            false => Verdict::Identical,
        };
        if report.verdict != expected {
            wrong.push(format!("{}: {} {:?}", trap.name, report.summary(), report.items));
        }
        for difference in differences(&file, &runner.pool, &plan).await {
            wrong.push(format!("{}: {difference}", trap.name));
        }
        assert_eq!(hashes(runner.folder.path()), before, "{}", trap.name);
        let left: Vec<String> = runner.tables(&schema).await;
        assert!(!left.contains(&"pgsteward_import".to_owned()), "{left:?}");
        assert!(report.markdown().contains(&report.summary()[..9]));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_arrives_value_by_value() {
    let runner = Runner::new().await;
    let mut wrong = Vec::new();
    for (number, file) in super::samples::files().into_iter().enumerate() {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let id = runner.look(&file).await.unwrap();
        let plan = runner.plan(id, into(&format!("s{number}"))).await.unwrap();
        assert!(plan.obstacles.is_empty(), "{name}: {:?}", plan.obstacles);
        let report = runner.go_on(id, true).await.unwrap();
        let expected = match EXPLAINED_SAMPLES.contains(&name.as_str()) {
            true => Verdict::Explained,
            false => Verdict::Identical,
        };
        if report.verdict != expected {
            let errors: Vec<_> = report
                .items
                .iter()
                .filter(|item| item.severity == Severity::Error || item.is_loss())
                .collect();
            wrong.push(format!(
                "{name}: {} {errors:?} {:?}",
                report.summary(),
                report.identities
            ));
        }
        for difference in differences(&file, &runner.pool, &plan).await {
            wrong.push(format!("{name}: {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
