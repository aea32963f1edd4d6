//! What of the data is written to the disk, and how.

use crate::server::conf::setting::Setting;
use crate::spec::profile::Profile;

/// With both files, the append-only file is the one that is loaded, and the snapshots are there to be copied
/// away.
pub(crate) fn durability(profile: Profile, persist: bool) -> Vec<Setting> {
    let settings = if persist {
        vec![
            Setting::new("save", "900 1 300 10 60 10000", "Snapshots for backups."),
            Setting::new("dbfilename", "dump.rdb", "In the node's own directory."),
            Setting::new("rdbcompression", "yes", "A snapshot takes less of the disk."),
            Setting::new(
                "rdbchecksum",
                "yes",
                "A damaged snapshot is told from a whole one.",
            ),
            Setting::new(
                "appendonly",
                "yes",
                "Every write is logged, and read back after a restart.",
            ),
            Setting::new("appendfilename", "appendonly.aof", "In the node's own directory."),
            Setting::new(
                "appendfsync",
                "everysec",
                "A crash of the machine costs a second of writes at most; `always` costs none, and speed.",
            ),
            Setting::new(
                "auto-aof-rewrite-percentage",
                "100",
                "The log is written anew when it has doubled.",
            ),
            Setting::new(
                "auto-aof-rewrite-min-size",
                "64mb",
                "Smaller logs are left alone.",
            ),
        ]
    } else {
        vec![
            Setting::new("save", "\"\"", "No snapshots: the cluster lives in memory."),
            Setting::new(
                "appendonly",
                "no",
                "No append-only file: the cluster lives in memory.",
            ),
        ]
    };
    let of_profile = persist == profile.persists();
    settings
        .into_iter()
        .map(|setting| {
            let setting = setting.wished("persist");
            if of_profile { setting.of_profile() } else { setting }
        })
        .collect()
}
