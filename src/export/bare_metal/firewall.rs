//! Firewall rules of a host for nftables, ufw and firewalld. Clients reach the client ports. The other hosts also
//! reach the bus ports. Other sources reach neither.

use std::fmt::Write as _;

use crate::export::bare_metal::placement::BareMetal;
use crate::spec::cluster::BUS_OFFSET;

/// Firewall rules of one host.
pub(crate) struct Rules<'a> {
    name: &'a str,
    first: u16,
    last: u16,
    /// The hosts, which also need the client ports: replication uses them.
    hosts: Vec<String>,
    clients: Vec<String>,
}

/// Returns the systemd unit that loads the nftables rules at boot.
pub(crate) fn unit(name: &str) -> String {
    let table = table(name);
    format!(
        "[Unit]\n\
         Description=Firewall of cluster {name}\n\
         Before=network-pre.target\n\
         Wants=network-pre.target\n\n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart=nft -f /etc/rcup-{name}/firewall.nft\n\
         ExecStop=nft delete table inet {table}\n\n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

fn table(name: &str) -> String {
    format!("rcup_{}", name.replace('-', "_"))
}

impl<'a> Rules<'a> {
    pub(crate) fn new(name: &'a str, ports: &[u16], place: &BareMetal) -> Self {
        let first = ports.iter().copied().min().unwrap_or_default();
        Self {
            name,
            first,
            last: ports.iter().copied().max().unwrap_or(first),
            hosts: place.hosts.iter().map(ToString::to_string).collect(),
            clients: place.clients.iter().map(ToString::to_string).collect(),
        }
    }

    fn range(&self, offset: u16, dash: char) -> String {
        let (first, last) = (self.first + offset, self.last + offset);
        if first == last {
            first.to_string()
        } else {
            format!("{first}{dash}{last}")
        }
    }

    pub(crate) fn nftables(&self) -> String {
        let table = table(self.name);
        let (client, bus) = (self.range(0, '-'), self.range(BUS_OFFSET, '-'));
        let clients = if self.clients.is_empty() {
            String::new()
        } else {
            format!(
                "        ip saddr {{ {} }} tcp dport {client} accept\n",
                self.clients.join(", ")
            )
        };
        format!(
            "# Cluster `{}`: clients {client}, bus {bus}. A table of its own: what else the host filters stays as it is.\n\
             table inet {table} {{}}\n\
             delete table inet {table}\n\
             table inet {table} {{\n    \
                 chain input {{\n        \
                     type filter hook input priority 0; policy accept;\n        \
                     iif lo accept\n        \
                     ip saddr {{ {} }} tcp dport {{ {client}, {bus} }} accept\n\
             {clients}        \
                     tcp dport {{ {client}, {bus} }} drop\n    \
                 }}\n}}\n",
            self.name,
            self.hosts.join(", "),
        )
    }

    pub(crate) fn ufw(&self) -> String {
        let (client, bus) = (self.range(0, ':'), self.range(BUS_OFFSET, ':'));
        let rule = |source: &str, port: &str| format!("rule from {source} to any port {port} proto tcp\n");
        let mut text = format!(
            "#!/bin/sh\n# Cluster `{}`: rules for ufw, which denies what no rule allows. Run by deploy.sh with its mode.\n\
             set -eu\n\
             mode=${{1:-install}} code=0\n\
             if ! command -v ufw >/dev/null; then\n    \
                 [ \"$mode\" != uninstall ] || exit 0\n    \
                 echo 'ufw is not installed' >&2\n    \
                 exit 1\n\
             fi\n\
             # Rules that nobody enforces would be worse than none.\n\
             state=$(LC_ALL=C ufw status verbose)\n\
             case $mode:$state in\n    \
                 uninstall:* | *'Status: active'*'Default: deny (incoming)'* | *'Status: active'*'Default: reject (incoming)'*) ;;\n    \
                 *)\n        \
                     echo 'ufw filters nothing: it is not active, or lets in what no rule denies' >&2\n        \
                     echo '  Keep SSH open, then switch it on: ufw allow OpenSSH && ufw default deny incoming && ufw enable' >&2\n        \
                     exit 1\n        \
                     ;;\n\
             esac\n\n\
             rule() {{\n    \
                 case $mode in\n        \
                     install) ufw allow \"$@\" >/dev/null ;;\n        \
                     uninstall) ufw delete allow \"$@\" >/dev/null ;;\n        \
                     check) ufw show added | grep -qxF \"ufw allow $*\" || {{ echo \"differs: ufw allow $*\" >&2; code=3; }} ;;\n    \
                 esac\n}}\n\n",
            self.name
        );
        for host in &self.hosts {
            text.push_str(&rule(host, &client));
            text.push_str(&rule(host, &bus));
        }
        for clients in &self.clients {
            text.push_str(&rule(clients, &client));
        }
        text.push_str("exit \"$code\"\n");
        text
    }

    pub(crate) fn firewalld(&self) -> String {
        let (client, bus) = (self.range(0, '-'), self.range(BUS_OFFSET, '-'));
        let rule = |source: &str, port: &str| {
            format!(
                "rule 'rule family=\"ipv4\" source address=\"{source}\" port port=\"{port}\" protocol=\"tcp\" accept'\n"
            )
        };
        let mut text = format!(
            "#!/bin/sh\n# Cluster `{}`: rules for firewalld's default zone. Run by deploy.sh with its mode.\n\
             set -eu\n\
             mode=${{1:-install}} code=0\n\
             if ! command -v firewall-cmd >/dev/null; then\n    \
                 [ \"$mode\" != uninstall ] || exit 0\n    \
                 echo 'firewalld is not installed' >&2\n    \
                 exit 1\n\
             fi\n\
             # Rules that nobody enforces would be worse than none.\n\
             if ! firewall-cmd -q --state; then\n    \
                 echo 'firewalld does not run, so it filters nothing: systemctl enable --now firewalld' >&2\n    \
                 exit 1\n\
             fi\n\
             zone=$(firewall-cmd --get-default-zone)\n\
             if [ \"$mode\" != uninstall ] && [ \"$(firewall-cmd --permanent --zone=\"$zone\" --get-target)\" = ACCEPT ]; then\n    \
                 echo \"firewalld filters nothing: its default zone $zone lets everything in\" >&2\n    \
                 exit 1\n\
             fi\n\n\
             rule() {{\n    \
                 case $mode in\n        \
                     install) firewall-cmd -q --permanent --add-rich-rule=\"$1\" ;;\n        \
                     uninstall) firewall-cmd -q --permanent --remove-rich-rule=\"$1\" ;;\n        \
                     check)\n            \
                         # What is loaded, and what the next boot loads.\n            \
                         if ! firewall-cmd -q --query-rich-rule=\"$1\" || ! firewall-cmd -q --permanent --query-rich-rule=\"$1\"; then\n                \
                             echo \"differs: $1\" >&2\n                \
                             code=3\n            \
                         fi\n            \
                         ;;\n    \
                 esac\n}}\n\n",
            self.name
        );
        for host in &self.hosts {
            text.push_str(&rule(host, &client));
            text.push_str(&rule(host, &bus));
        }
        for clients in &self.clients {
            let _ = write!(text, "{}", rule(clients, &client));
        }
        text.push_str("[ \"$mode\" = check ] || firewall-cmd -q --reload\nexit \"$code\"\n");
        text
    }
}
