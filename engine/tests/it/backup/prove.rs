use std::{fs, os::unix::fs::PermissionsExt};

use contract::{backup::BackupView, jobs::JobState};

use super::world::{World, world};

async fn found(world: &World, backup: &BackupView, words: &str) {
    let job = world.verified(backup).await;
    assert_eq!(job.state, JobState::Failed);
    let fault = job.fault.unwrap();
    assert!(
        fault.message.contains("damaged") && fault.message.contains(words),
        "{fault:?}"
    );
    assert!(fault.hint.unwrap().contains("new backup"));
    let listed = world
        .list()
        .await
        .backups
        .into_iter()
        .find(|listed| listed.id == backup.id)
        .unwrap();
    assert!(listed.damage.as_ref().unwrap().contains(words), "{listed:?}");
}

#[tokio::test]
async fn a_good_backup_is_proven_again_with_the_time() {
    let world = world().await;
    let backup = world.backup().await;
    let job = world.verified(&backup).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    assert!(job.outcome.unwrap().starts_with("Read back whole"));
    let listed = &world.list().await.backups[0];
    assert!(listed.proven_at > backup.proven_at);
    assert_eq!(listed.damage, None);
    assert!(
        job.title.starts_with("Verify the backup of main from 20"),
        "{}",
        job.title
    );
}

#[tokio::test]
async fn one_flipped_byte_anywhere_is_found_and_kept() {
    let world = world().await;
    let backup = world.backup().await;
    let path = world.stored(&backup).join("archive.dump");
    let good = fs::read(&path).unwrap();
    for at in [good.len() / 3, good.len() / 2, good.len() - 3] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        found(&world, &backup, "SHA-256").await;
    }
    // The finding is in the folder and not only in a row.
    let store = world.console.store.pool().await;
    sqlx::query("delete from backups").execute(&store).await.unwrap();
    assert!(
        world.list().await.backups[0]
            .damage
            .as_ref()
            .unwrap()
            .contains("SHA-256")
    );
    // With the right bytes back, the next verification says so.
    fs::write(&path, &good).unwrap();
    assert_eq!(world.verified(&backup).await.state, JobState::Succeeded);
    assert_eq!(world.list().await.backups[0].damage, None);
}

#[tokio::test]
async fn a_truncated_or_missing_archive_is_seen_by_the_list_and_found_by_verify() {
    let world = world().await;
    let backup = world.backup().await;
    let path = world.stored(&backup).join("archive.dump");
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert!(
        world.list().await.backups[0]
            .damage
            .as_ref()
            .unwrap()
            .contains("bytes, not the")
    );
    found(&world, &backup, "bytes, not the").await;
    assert!(
        world
            .engine
            .backup()
            .open(&world.caller, "main", backup.id)
            .await
            .is_err(),
        "no download of half a file"
    );
    fs::remove_file(&path).unwrap();
    found(&world, &backup, "missing").await;
}

#[tokio::test]
async fn changed_roles_are_found() {
    let world = world().await;
    let backup = world.backup().await;
    let path = world.stored(&backup).join("globals.sql");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("NOSUPERUSER", "  SUPERUSER")
            .replace("CREATE ROLE", "CREATE USER"),
    )
    .unwrap();
    found(&world, &backup, "globals.sql").await;
}

#[tokio::test]
async fn a_changed_manifest_is_seen_at_once_even_when_it_fits_the_changed_archive() {
    let world = world().await;
    let backup = world.backup().await;
    let path = world.stored(&backup).join("manifest.json");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replace("\"rows\": 2000", "\"rows\": 1999")).unwrap();
    assert_ne!(fs::read_to_string(&path).unwrap(), good);
    assert!(
        world.list().await.backups[0]
            .damage
            .as_ref()
            .unwrap()
            .contains("seal")
    );
    found(&world, &backup, "seal").await;
    // One whole backup in another's place.
    fs::write(&path, &good).unwrap();
    let other = world.backup().await;
    fs::copy(world.stored(&other).join("manifest.json"), &path).unwrap();
    fs::copy(
        world.stored(&other).join("archive.dump"),
        world.stored(&backup).join("archive.dump"),
    )
    .unwrap();
    found(&world, &backup, "another backup").await;
    // No manifest at all any more.
    fs::write(&path, "{").unwrap();
    let list = world.list().await;
    let listed = list.backups.iter().find(|listed| listed.id == backup.id).unwrap();
    assert!(listed.damage.as_ref().unwrap().contains("cannot be read"));
    // The row is only a cache: without it the folder is named, not forgotten.
    let store = world.console.store.pool().await;
    sqlx::query("delete from backups").execute(&store).await.unwrap();
    let list = world.list().await;
    assert_eq!(
        list.backups.iter().map(|listed| listed.id).collect::<Vec<_>>(),
        [other.id]
    );
    assert!(list.warning.unwrap().contains(&backup.id.to_string()));
}

#[tokio::test]
async fn a_forged_proof_is_not_believed() {
    let world = world().await;
    let backup = world.backup().await;
    let path = world.stored(&backup).join("archive.dump");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    found(&world, &backup, "SHA-256").await;
    let proof = world.stored(&backup).join("proof.json");
    let text = fs::read_to_string(&proof).unwrap();
    let start = text.find("\"damage\": ").unwrap();
    let end = start + text[start..].find(",\n").unwrap();
    fs::write(
        &proof,
        format!("{}\"damage\": null{}", &text[..start], &text[end..]),
    )
    .unwrap();
    assert!(
        world.list().await.backups[0]
            .damage
            .as_ref()
            .unwrap()
            .contains("Verify again")
    );
    assert!(!world.stored(&backup).join("nothing").exists());
}

#[tokio::test]
async fn another_consoles_backups_are_shown_and_not_trusted() {
    let world = world().await;
    let backup = world.backup().await;
    fs::remove_file(world.config.data_dir.join("backup.key")).unwrap();
    let world = world.instead(|_| ()).await;
    let store = world.console.store.pool().await;
    sqlx::query("delete from backups").execute(&store).await.unwrap();
    let list = world.list().await;
    assert_eq!(list.backups[0].id, backup.id);
    assert!(list.backups[0].damage.as_ref().unwrap().contains("seal"));
}

#[tokio::test]
async fn what_is_stored_is_for_the_console_alone() {
    let world = world().await;
    let backup = world.backup().await;
    world.verified(&backup).await;
    let stored = world.stored(&backup);
    for (path, mode) in [
        (world.folder(), 0o700),
        (stored.clone(), 0o700),
        (stored.join("archive.dump"), 0o600),
        (stored.join("globals.sql"), 0o600),
        (stored.join("manifest.json"), 0o600),
        (stored.join("proof.json"), 0o600),
        (world.config.data_dir.join("backup.key"), 0o600),
    ] {
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            mode,
            "{}",
            path.display()
        );
    }
}
