//! The transactions that a file begins and ends by itself.
//!
//! A file runs in one transaction of ours together with the row that says so, so one `begin` … `commit` of its own is
//! left out; other places may have applied this very text, which must then stay as it is. In a file without transaction,
//! what lies between `begin` and `commit` is one step.

use contract::migration::MigrationObstacle;

use super::statements::{Control, Statement};

/// What runs of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parted {
    /// Its statements; those that run as one string count as one.
    pub statements: Vec<Statement>,
    /// The `begin` and the `commit` that are left out.
    pub left_out: Vec<Statement>,
    /// Transactions that do not go together with the way in which the file runs.
    pub obstacles: Vec<MigrationObstacle>,
}

/// Of a file that runs in one transaction.
pub(crate) fn in_one(all: Vec<Statement>) -> Parted {
    let controls: Vec<(usize, Control)> = all
        .iter()
        .enumerate()
        .filter_map(|(index, statement)| Some((index, statement.control()?)))
        .collect();
    match controls.as_slice() {
        [] => Parted {
            statements: all,
            ..Parted::default()
        },
        [(begin, Control::Begin), (commit, Control::Commit)] if *commit + 1 == all.len() => {
            let (left_out, statements) = all
                .into_iter()
                .enumerate()
                .partition::<Vec<_>, _>(|(index, _)| index == begin || index == commit);
            let without_index =
                |pairs: Vec<(usize, Statement)>| pairs.into_iter().map(|(_, it)| it).collect();
            Parted {
                statements: without_index(statements),
                left_out: without_index(left_out),
                obstacles: Vec::new(),
            }
        }
        [(first, _), ..] => {
            let obstacles = obstacle(
                &all[*first],
                "does not go with the one transaction in which the file runs",
                "Leave `begin` and `commit` out, or let one pair span the whole file, or make `-- no-transaction` its \
                 first line.",
            );
            Parted {
                statements: all,
                obstacles: vec![obstacles],
                ..Parted::default()
            }
        }
    }
}

/// Of a file without transaction.
pub(crate) fn one_by_one(sql: &str, all: Vec<Statement>) -> Parted {
    let mut statements = Vec::new();
    let mut begun: Option<Statement> = None;
    let broken = |statement: &Statement, what: &str, remedy: &str| Parted {
        obstacles: vec![obstacle(statement, what, remedy)],
        ..Parted::default()
    };
    for statement in all {
        match (statement.control(), begun.take()) {
            (None, None) => statements.push(statement),
            (None, Some(begin)) => begun = Some(begin),
            (Some(Control::Begin | Control::BeginWith), None) => begun = Some(statement),
            (Some(Control::Commit | Control::RollBack), Some(begin)) => {
                statements.push(begin.through(&statement, sql));
            }
            (Some(Control::Begin | Control::BeginWith), Some(begin)) => {
                return broken(
                    &statement,
                    &format!("begins a transaction inside of the one of line {}", begin.line),
                    "End that one first, or leave this `begin` out.",
                );
            }
            (Some(Control::Other), Some(_)) => {
                return broken(
                    &statement,
                    "leaves it open what becomes of its transaction",
                    "Use `begin` and `commit` alone.",
                );
            }
            (Some(_), None) => {
                return broken(
                    &statement,
                    "ends a transaction that the file did not begin",
                    "Leave it out: each statement of this file is kept as soon as it is done.",
                );
            }
        }
    }
    match begun {
        Some(begin) => broken(
            &begin,
            "begins a transaction that the file does not end, so nothing behind it would be kept",
            "Put `commit;` at its end, or leave `begin` out: each statement of this file is kept as soon as it is done.",
        ),
        None => Parted {
            statements,
            ..Parted::default()
        },
    }
}

fn obstacle(statement: &Statement, what: &str, remedy: &str) -> MigrationObstacle {
    MigrationObstacle {
        line: statement.line as i64,
        what: format!("`{}` {what}", statement.first_word()),
        remedy: remedy.to_owned(),
    }
}

/// The text with some statements put out by blanks, so that everything else keeps its place.
pub(crate) fn without(sql: &str, left_out: &[Statement]) -> String {
    let is_out = |at: usize| {
        left_out.iter().any(|statement| {
            (statement.start..statement.start + statement.text.chars().count()).contains(&at)
        })
    };
    sql.chars()
        .enumerate()
        .map(|(at, c)| {
            if is_out(at) && !matches!(c, '\n' | '\r') {
                ' '
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::statements::split, *};

    fn texts(parted: &Parted) -> Vec<&str> {
        parted.statements.iter().map(|it| it.text.as_str()).collect()
    }

    fn lines(parted: &Parted) -> Vec<i64> {
        parted.obstacles.iter().map(|it| it.line).collect()
    }

    #[test]
    fn one_transaction_of_a_files_own_is_left_out() {
        for (sql, without_them) in [
            (
                "begin; select 1; select 2; commit;",
                "_____; select 1; select 2; ______;",
            ),
            (
                "-- ü\nset x = 1;\nBEGIN\nWORK;\nselect 'ü';\nEND",
                "-- ü\nset x = 1;\n_____\n____;\nselect 'ü';\n___",
            ),
            (
                "start transaction; select 1; commit work",
                "_________________; select 1; ___________",
            ),
        ] {
            let parted = in_one(split(sql));
            assert_eq!(lines(&parted), [0_i64; 0], "{sql}");
            assert_eq!(without(sql, &parted.left_out), without_them.replace('_', " "));
            assert!(parted.statements.iter().all(|it| it.control().is_none()), "{sql}");
        }
    }

    #[test]
    fn other_transactions_in_a_transaction_are_found_by_their_line() {
        for (sql, line) in [
            ("select 1;\ncommit;\nselect 2", 2),
            ("begin;\nselect 1;\ncommit;\nbegin;\nselect 2;\ncommit", 1),
            ("begin;\nselect 1;\ncommit;\nselect 2", 1),
            ("select 1;\nbegin isolation level serializable;\ncommit", 2),
            ("begin;\nselect 1;\nrollback", 1),
            ("begin;\nselect 1", 1),
            ("select 1;\nprepare transaction 'x'", 2),
        ] {
            assert_eq!(lines(&in_one(split(sql))), [line], "{sql}");
        }
    }

    #[test]
    fn without_a_transaction_what_is_between_begin_and_commit_is_one_step() {
        let sql = "select 1; begin; select 2; savepoint a; rollback to a; commit; select 3; begin; end";
        let parted = one_by_one(sql, split(sql));
        assert_eq!(lines(&parted), [0_i64; 0]);
        assert_eq!(
            texts(&parted),
            [
                "select 1",
                "begin; select 2; savepoint a; rollback to a; commit",
                "select 3",
                "begin; end"
            ]
        );
        assert!(parted.statements[1].is_all_or_nothing());
    }

    #[test]
    fn transactions_that_are_not_whole_are_found_by_their_line() {
        for (sql, found) in [
            ("select 1;\nbegin;\ncreate table a ();", &[2][..]),
            ("select 1;\ncommit;", &[2]),
            ("begin;\nbegin;\ncommit;", &[2]),
            ("begin;\nselect 1;\ncommit and chain;\nselect 2;\ncommit", &[3]),
        ] {
            assert_eq!(lines(&one_by_one(sql, split(sql))), found, "{sql}");
        }
    }
}
