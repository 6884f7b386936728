#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;

fn fault(lines: &[&str]) -> Fault {
    let mut complaints = Complaints::of("pg_dump");
    for line in lines {
        complaints.line(line);
    }
    complaints.error("shop", None).fault()
}

#[test]
fn each_failure_has_its_own_words_and_a_remedy() {
    let cases: [(&[&str], Code, &str, &str); 8] = [
        (
            &[
                "pg_dump: error: Dumping the contents of table \"big\" failed: PQgetResult() failed.",
                "pg_dump: detail: Error message from server: ERROR:  invalid memory alloc request size 1132462084",
                "pg_dump: detail: Command was: COPY public.big (v) TO stdout;",
            ],
            Code::TargetRefused,
            "the rows of big in shop",
            "1 GB",
        ),
        (
            &[
                "pg_dump: error: aborting because of server version mismatch",
                "pg_dump: detail: server version: 17.2; pg_dump version: 15.20",
            ],
            Code::Conflict,
            "newer than the installed pg_dump",
            "postgresql-client-NN",
        ),
        (
            &[
                "pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout",
                "pg_dump: detail: Query was: LOCK TABLE public.orders IN ACCESS SHARE MODE",
            ],
            Code::TargetTimeout,
            "stayed locked",
            "Activity",
        ),
        (
            &[
                "pg_dump: error: query failed: server closed the connection unexpectedly",
                "\tThis probably means",
            ],
            Code::TargetUnreachable,
            "was lost",
            "try again",
        ),
        (
            &["pg_dump: error: connection to server at \"h\", port 5 failed: Connection refused"],
            Code::TargetUnreachable,
            "could not connect",
            "pg_hba.conf",
        ),
        (
            &["pg_dump: error: query failed: ERROR:  permission denied for table secrets"],
            Code::TargetRefused,
            "may not read",
            "pg_read_all_data",
        ),
        (
            &[
                "pg_dump: error: query failed: ERROR:  out of shared memory",
                "HINT:  You might need to increase max_locks_per_transaction.",
            ],
            Code::TargetRefused,
            "lock table has room",
            "max_locks_per_transaction",
        ),
        (
            &["pg_dump: error: something new"],
            Code::TargetRefused,
            "pg_dump failed on shop",
            "below",
        ),
    ];
    for (lines, code, message, hint) in cases {
        let fault = fault(lines);
        assert_eq!(fault.code, code, "{fault:?}");
        assert!(fault.message.contains(message), "{fault:?}");
        assert!(fault.hint.as_ref().unwrap().contains(hint), "{fault:?}");
        let own = fault.target.unwrap().message;
        assert!(
            own.starts_with("error: ") && own.lines().count() == lines.len(),
            "{own}"
        );
    }
}

#[test]
fn progress_and_warnings_are_no_errors() {
    let mut complaints = Complaints::of("pg_dump");
    assert!(matches!(
        complaints.line("pg_dump: reading schemas"),
        Said::Progress
    ));
    assert!(
        matches!(complaints.line("pg_dump: warning: circular keys"), Said::Warning(text) if text == "circular keys")
    );
    assert!(matches!(
        complaints.line("pg_dump: detail: table \"a\""),
        Said::Progress
    ));
    assert!(!complaints.has_errors());
    assert_eq!(complaints.text(), "");
    assert!(matches!(complaints.line("pg_dump: error: no"), Said::Error));
    assert!(complaints.has_errors());
}

#[test]
fn a_tool_killed_by_the_system_is_said_to_be() {
    use std::os::unix::process::ExitStatusExt;
    let fault = Complaints::of("pg_dump")
        .error("shop", Some(ExitStatus::from_raw(9)))
        .fault();
    assert!(fault.message.contains("signal 9"), "{fault}");
}
