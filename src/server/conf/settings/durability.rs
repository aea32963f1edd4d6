//! Directives for persistence.

use crate::server::conf::setting::Setting;
use crate::spec::profile::Profile;

/// Returns the directives for persistence. If both files are enabled, the server loads the append-only file; the
/// snapshots are for backups.
pub(crate) fn durability(profile: Profile, persist: bool) -> Vec<Setting> {
    let settings = if persist {
        vec![
            Setting::new("save", "900 1 300 10 60 10000", "Snapshots for backups."),
            Setting::new("dbfilename", "dump.rdb", "In the node's own directory."),
            Setting::new("rdbcompression", "yes", "Smaller snapshots."),
            Setting::new("rdbchecksum", "yes", "Detects corrupt snapshots."),
            Setting::new(
                "appendonly",
                "yes",
                "Logs every write and replays the log after a restart.",
            ),
            Setting::new("appendfilename", "appendonly.aof", "In the node's own directory."),
            Setting::new(
                "appendfsync",
                "everysec",
                "A host crash loses at most one second of writes. `always` loses none, and is slower.",
            ),
            Setting::new(
                "auto-aof-rewrite-percentage",
                "100",
                "Rewrites the log when it has doubled in size.",
            ),
            Setting::new(
                "auto-aof-rewrite-min-size",
                "64mb",
                "Does not rewrite smaller logs.",
            ),
        ]
    } else {
        vec![
            Setting::new("save", "\"\"", "No snapshots: data is kept in memory only."),
            Setting::new(
                "appendonly",
                "no",
                "No append-only file: data is kept in memory only.",
            ),
        ]
    };
    let of_profile = persist == profile.persists();
    settings
        .into_iter()
        .map(|setting| {
            let setting = setting.requested("persist");
            if of_profile { setting.of_profile() } else { setting }
        })
        .collect()
}
