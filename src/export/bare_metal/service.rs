//! The systemd service of a node, and the kernel settings of its host.

use crate::spec::server::Engine;

/// Kernel settings for `/etc/sysctl.d`, applied at every boot.
pub(crate) const SYSCTL: &str = "\
# For Redis and Valkey; written by `rcup export bare-metal`.

# A fork for a snapshot must not fail because it might, in theory, copy everything.
vm.overcommit_memory = 1
# Memory that is swapped out turns microseconds into milliseconds.
vm.swappiness = 1
# How many connections may wait to be accepted, and how many to be established.
net.core.somaxconn = 65535
net.ipv4.tcp_max_syn_backlog = 65535
";

/// Settings for `/etc/tmpfiles.d`, applied at every boot.
pub(crate) const TMPFILES: &str = "\
# For Redis and Valkey; written by `rcup export bare-metal`.
# With transparent huge pages, one write after a fork copies 2 MB instead of 4 kB.
w- /sys/kernel/mm/transparent_hugepage/enabled - - - - never
w- /sys/kernel/mm/transparent_hugepage/defrag - - - - never
";

/// Returns the template unit of all nodes of a host. The instance name is the port.
pub(crate) fn unit(name: &str, engine: Engine) -> String {
    let (server, user) = (engine.server(), engine.as_str());
    format!(
        "# A node of the cluster `{name}`; the instance is its port.\n\
         [Unit]\n\
         Description={engine} node %i of cluster {name}\n\
         After=network-online.target\n\
         Wants=network-online.target\n\n\
         [Service]\n\
         # Not notify: a server that was built without libsystemd would never say that it is ready.\n\
         Type=exec\n\
         ExecStart={server} /etc/rcup-{name}/%i.conf\n\
         User={user}\n\
         Group={user}\n\
         Restart=always\n\
         RestartSec=5s\n\
         # A large data set takes its time to be saved.\n\
         TimeoutStopSec=5min\n\
         # Services do not read /etc/security/limits.conf; this is where their limit stands.\n\
         LimitNOFILE=65536\n\
         OOMScoreAdjust=-500\n\
         UMask=0077\n\n\
         # Nothing but its own directory can be written, and no privilege can be gained.\n\
         NoNewPrivileges=yes\n\
         CapabilityBoundingSet=\n\
         ProtectSystem=strict\n\
         ReadWritePaths=/var/lib/rcup-{name}/%i\n\
         ProtectHome=yes\n\
         PrivateTmp=yes\n\
         PrivateDevices=yes\n\
         ProtectClock=yes\n\
         ProtectControlGroups=yes\n\
         ProtectHostname=yes\n\
         ProtectKernelLogs=yes\n\
         ProtectKernelModules=yes\n\
         ProtectKernelTunables=yes\n\
         RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n\
         RestrictNamespaces=yes\n\
         RestrictRealtime=yes\n\
         RestrictSUIDSGID=yes\n\
         LockPersonality=yes\n\
         MemoryDenyWriteExecute=yes\n\
         SystemCallArchitectures=native\n\
         SystemCallFilter=@system-service\n\
         SystemCallErrorNumber=EPERM\n\n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}
