//! A managed database's failure in words, with what to do about it.

use contract::{Code, Fault, Refusal};
use sqlx::postgres::PgDatabaseError;

/// What the reader is told about a failure of `target`. `statement` is shown only when it is the console's or a
/// migration's own text. Details that would carry row values (SQLSTATE class 23) are left out.
pub fn fault(target: &str, error: &sqlx::Error, statement: Option<&str>) -> Fault {
    match error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            Some(report) => refused(target, report, statement),
            None => Fault::new(Code::TargetRefused, format!("{target} refused: {}.", database.message())),
        },
        // The handshake's failures come as broken reads.
        sqlx::Error::Io(io) if io.to_string().contains("certificate") => tls_failed(target, &io.to_string()),
        sqlx::Error::Io(io) => unreachable(target, io),
        sqlx::Error::Tls(tls) => tls_failed(target, &tls.to_string()),
        sqlx::Error::PoolTimedOut => Fault::new(
            Code::TargetTimeout,
            format!("No connection to {target} became free in time."),
        )
        .hint(
            "Either all connections of the pool are in use (see Console below Settings; raise DB_POOL_SIZE or DB_MAX_OVERFLOW) \
             or the server does not answer on its address.",
        ),
        sqlx::Error::PoolClosed => {
            Fault::new(Code::TargetUnreachable, format!("The console is shutting down its connections to {target}."))
        }
        sqlx::Error::Protocol(_) => Fault::new(
            Code::TargetUnreachable,
            format!("{target} did not speak PostgreSQL's protocol."),
        )
        .hint("Check that host and port lead to PostgreSQL (or PgBouncer), not to another service."),
        sqlx::Error::Configuration(_) => Fault::new(
            Code::TargetUnreachable,
            format!("The settings for {target} cannot be used."),
        )
        .hint("Check the URL, sslmode and sslrootcert of this database in the configuration."),
        _ => Fault::new(Code::TargetRefused, format!("{target} answered in a way the console does not understand."))
            .hint("Look into the console's log for the trace id."),
    }
}

fn refused(target: &str, report: &PgDatabaseError, statement: Option<&str>) -> Fault {
    let sqlstate = report.code();
    let message = report.message();
    let (code, text, hint) = match sqlstate {
        "53300" | "53400" => (
            Code::Busy,
            format!("{target} has too many clients already."),
            Some(
                "Close idle clients, raise max_connections, or put PgBouncer in front; the console keeps trying.",
            ),
        ),
        "28P01" => (
            Code::TargetUnreachable,
            format!("{target} refused the password."),
            Some(
                "Correct user and password in the database's URL (special characters must be percent-encoded).",
            ),
        ),
        // The server says whether the connection was encrypted, and not whether another one would be let in.
        "28000" if message.contains("pg_hba.conf") => {
            let plain = message.contains("no encryption") || message.contains("SSL off");
            let how = if plain {
                "without encryption"
            } else {
                "over an encrypted connection"
            };
            let text = match message.contains("rejects") {
                true => format!("{target}'s pg_hba.conf rejects this user from here, {how}."),
                false => format!("{target}'s pg_hba.conf has no line for this user from here, {how}."),
            };
            let hint = match plain {
                true => {
                    "Add a line for this user, database and address to pg_hba.conf and reload it. Where there are lines for \
                     encrypted connections alone (hostssl), add sslmode=require to the database's URL instead."
                }
                false => {
                    "Add a line for this user, database and address to pg_hba.conf and reload it. Where there are lines for \
                     unencrypted connections alone (hostnossl), add sslmode=disable to the database's URL instead."
                }
            };
            (Code::TargetUnreachable, text, Some(hint))
        }
        "28000" => (
            Code::TargetUnreachable,
            format!("{target} does not let this user in from here."),
            Some("Check the user's name, and add a matching line to the server's pg_hba.conf."),
        ),
        "3D000" => (
            Code::TargetUnreachable,
            format!("There is no such database on {target}'s server."),
            Some("Correct the name at the end of the URL, or create the database."),
        ),
        "57P03" => (
            Code::TargetUnreachable,
            format!("{target}'s server is starting up or shutting down."),
            Some("Wait: the console keeps trying."),
        ),
        "57P01" | "57P02" | "57P05" => (
            Code::TargetUnreachable,
            format!("{target}'s server ended the connection."),
            Some("It was restarted or an administrator ended the session; try again when it is up."),
        ),
        "57014" => (
            Code::TargetTimeout,
            format!("{target} took too long and the statement was cancelled."),
            Some("Look at Activity for what the server is busy with, then try again."),
        ),
        "55P03" => (
            Code::TargetTimeout,
            format!("{target}: a lock was not free in time."),
            Some("Another session holds it; end or wait for that session, then try again."),
        ),
        "40P01" => (
            Code::TargetRefused,
            format!("{target} broke a deadlock."),
            Some("Try again."),
        ),
        "42501" => (
            Code::TargetRefused,
            format!("{target}: the console's user lacks a right."),
            Some(
                "Grant it to the user in the database's URL; membership in pg_monitor is needed for statistics.",
            ),
        ),
        "53100" => (
            Code::TargetRefused,
            format!("{target}'s disk is full."),
            Some("Free room on the server first."),
        ),
        "25006" => (
            Code::TargetRefused,
            format!("{target} is read-only: a replica, or default_transaction_read_only is on."),
            Some("Point the URL at the primary."),
        ),
        "08001" | "HV00N" => (
            Code::TargetRefused,
            format!("{target} could not reach the server of a foreign table: {message}."),
            Some("Start that server, or correct the foreign server's options, then try again."),
        ),
        _ => (Code::TargetRefused, format!("{target} refused: {message}."), None),
    };
    let mut fault = Fault::new(code, text);
    fault.hint = hint.map(str::to_owned);
    fault.target = Some(Refusal {
        target: target.to_owned(),
        sqlstate: Some(sqlstate.to_owned()),
        message: message.to_owned(),
        detail: (!sqlstate.starts_with("23"))
            .then(|| report.detail().map(str::to_owned))
            .flatten(),
        hint: report.hint().map(str::to_owned),
        position: match report.position() {
            Some(sqlx::postgres::PgErrorPosition::Original(at)) => u32::try_from(at).ok(),
            _ => None,
        },
        statement: statement.map(str::to_owned),
    });
    fault
}

fn unreachable(target: &str, error: &std::io::Error) -> Fault {
    use std::io::ErrorKind;
    let (message, hint) = match error.kind() {
        ErrorKind::ConnectionRefused => (
            format!("Connection refused: nothing answers at {target}'s address."),
            "Start the server, or correct host and port in the URL; check listen_addresses and the firewall.",
        ),
        ErrorKind::TimedOut => (
            format!("{target} did not answer in time."),
            "Check that host and port are right and that no firewall swallows the packets.",
        ),
        ErrorKind::NotFound => (
            format!("{target}'s socket is not there."),
            "Start the server, or correct the socket's folder in the URL.",
        ),
        ErrorKind::PermissionDenied => (
            format!("The console may not use {target}'s socket."),
            "Give the console's user the right to the socket's folder, or connect over TCP.",
        ),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => (
            format!("The connection to {target} broke."),
            "The server was restarted or the network failed; the console keeps trying.",
        ),
        _ if error.to_string().contains("lookup") || error.to_string().contains("resolve") => (
            format!("The host name of {target} is not known."),
            "Correct the host in the URL, or the name service of this machine.",
        ),
        _ => (
            format!("{target} cannot be reached."),
            "Check host, port and network, then wait: the console keeps trying.",
        ),
    };
    Fault::new(Code::TargetUnreachable, message).hint(hint)
}

fn tls_failed(target: &str, text: &str) -> Fault {
    let lower = text.to_lowercase();
    let (message, hint) = if lower.contains("does not support") {
        (
            format!("{target} does not offer encryption, but sslmode asks for it."),
            "Turn ssl on at the server, or use sslmode=prefer or disable where the network is trusted.",
        )
    } else if lower.contains("unsupportedcertversion") {
        (
            format!("{target}'s certificate is of X.509 version 1, which the console cannot verify."),
            "Give the server a certificate of version 3, with its host name as subjectAltName. psql takes the old one, and so \
             would a backup.",
        )
    } else if lower.contains("causedasendentity") {
        (
            format!(
                "{target} shows the certificate of an authority (CA:TRUE) as its own, which the console does not take."
            ),
            "Sign a certificate for the server by that authority and name the authority in sslrootcert; or make the \
             self-signed one anew with basicConstraints=CA:FALSE. psql takes it as it is.",
        )
    } else if lower.contains("not valid for any names") {
        (
            format!("{target}'s certificate names no host where it is looked for: it has no subjectAltName."),
            "Give the server a certificate with its host name as subjectAltName (psql also reads the common name), or use \
             sslmode=verify-ca.",
        )
    } else if lower.contains("expired") {
        (
            format!("{target}'s certificate has expired."),
            "Give the server a new certificate; look at this machine's clock too.",
        )
    } else if lower.contains("unknownissuer")
        || lower.contains("badsignature")
        || lower.contains("issuer")
        || lower.contains("self")
    {
        (
            format!("{target}'s certificate is not signed by an authority this console trusts."),
            "Add sslrootcert=/path/to/ca.pem of the server's authority to the URL.",
        )
    } else if lower.contains("notvalidforname") || lower.contains("name") {
        (
            format!("{target}'s certificate is for another host name."),
            "Use the host name that the certificate carries, or sslmode=verify-ca.",
        )
    } else {
        (
            format!("No encrypted connection to {target} came about."),
            "Check sslmode and sslrootcert in the URL, and the server's certificate.",
        )
    };
    let mut fault = Fault::new(Code::TargetUnreachable, message).hint(hint);
    fault.target = Some(Refusal {
        target: target.to_owned(),
        message: text.to_owned(),
        ..Refusal::default()
    });
    fault
}
