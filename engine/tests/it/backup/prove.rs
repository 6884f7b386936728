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
async fn bytes_that_look_like_a_newer_format_are_damage_and_no_fault_of_the_tool() {
    let world = world().await;
    let backup = world.backup().await;
    let path = world.stored(&backup).join("archive.dump");
    let good = fs::read(&path).unwrap();
    assert_eq!(&good[..5], b"PGDMP");
    // The format's version, twice wrong: older than all, and newer than all.
    for version in [[0, 0], [99, 0]] {
        let mut bytes = good.clone();
        bytes[5..7].copy_from_slice(&version);
        fs::write(&path, &bytes).unwrap();
        found(&world, &backup, "SHA-256").await;
    }
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
async fn consoles_of_one_store_believe_each_others_seals() {
    let world = world().await;
    let first = world.backup().await;
    // A second console with a data folder of its own, which had a key of its own before keys were shared.
    let other = tempfile::tempdir().unwrap();
    let world = world
        .instead(|config| config.data_dir = other.path().to_owned())
        .await;
    let second = world.backup().await;
    assert_eq!(
        fs::read_to_string(other.path().join("backup.key")).unwrap(),
        fs::read_to_string(world.console.config.data_dir.join("backup.key")).unwrap(),
        "each data folder has a copy of the store's key"
    );
    for backup in [&first, &second] {
        assert_eq!(world.verified(backup).await.state, JobState::Succeeded);
    }
    // A key from before, and the one in use gone from this folder.
    fs::write(other.path().join("backup.key"), "ab".repeat(32)).unwrap();
    assert!(world.list().await.backups.iter().all(|backup| backup.is_sound()));
    let third = world.backup().await;
    let world = world
        .instead(|config| config.data_dir = config.data_dir.join("third"))
        .await;
    assert!(world.list().await.backups.iter().all(|backup| backup.is_sound()));
    assert_eq!(world.verified(&third).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_lost_store_and_a_lost_data_folder_cost_no_backup_its_seal() {
    let world = world().await;
    let backup = world.backup().await;
    let store = world.console.store.pool().await;
    // The data folder has a copy of the key, and the folder of the backups says whose they are.
    sqlx::query("delete from backup_keys")
        .execute(&store)
        .await
        .unwrap();
    sqlx::query("delete from backups").execute(&store).await.unwrap();
    let list = world.list().await.backups;
    assert!(list.len() == 1 && list[0].is_sound(), "{list:?}");
    fs::remove_file(world.config.data_dir.join("backup.key")).unwrap();
    let list = world.list().await.backups;
    assert!(list.len() == 1 && list[0].is_sound(), "{list:?}");
    assert_eq!(world.verified(&backup).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn another_consoles_backup_is_said_to_be_that_and_can_be_taken_over() {
    let world = world().await;
    let backup = world.backup().await;
    let store = world.console.store.pool().await;
    // A look in the background that comes between the two writes down anew what the other one still had.
    let mut tries = 0..20;
    let listed = loop {
        sqlx::query("delete from backup_keys")
            .execute(&store)
            .await
            .unwrap();
        fs::remove_file(world.config.data_dir.join("backup.key")).ok();
        let listed = world.list().await.backups.remove(0);
        if listed.foreign.is_some() || tries.next().is_none() {
            break listed;
        }
    };
    assert_eq!((listed.id, listed.damage.as_deref()), (backup.id, None));
    assert!(
        listed
            .foreign
            .as_ref()
            .unwrap()
            .contains("Another console sealed it"),
        "{listed:?}"
    );
    assert!(!listed.is_sound());
    let backups = world.engine.backup();
    let early = backups
        .adopt(&world.caller, "main", backup.id)
        .await
        .unwrap_err()
        .fault();
    assert!(early.hint.unwrap().contains("pgsteward backup verify"));
    let verified = world.verified(&backup).await;
    assert_eq!(verified.state, JobState::Succeeded, "{:?}", verified.fault);
    assert!(verified.outcome.unwrap().contains("pgsteward backup adopt"));
    assert!(
        world.list().await.backups[0].foreign.is_some(),
        "reading it back is not vouching for it"
    );
    backups.adopt(&world.caller, "main", backup.id).await.unwrap();
    let listed = world.list().await.backups.remove(0);
    assert!(listed.is_sound(), "{listed:?}");
    assert_eq!(world.verified(&backup).await.state, JobState::Succeeded);
    let manifest = fs::read_to_string(world.stored(&backup).join("manifest.json")).unwrap();
    assert!(manifest.contains("Taken over by"));
    let again = backups
        .adopt(&world.caller, "main", backup.id)
        .await
        .unwrap_err()
        .fault();
    assert!(again.message.contains("own already"), "{again:?}");
    // What was changed under a known key is still found.
    let path = world.stored(&backup).join("manifest.json");
    fs::write(&path, manifest.replace("\"rows\": 2000", "\"rows\": 1999")).unwrap();
    found(&world, &backup, "seal").await;
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
