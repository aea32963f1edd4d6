//! Fixes for findings as data, and the commands that apply them on the Docker host.

/// Where the containers run, relative to this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seat {
    /// On this machine's kernel.
    Here,
    /// In a virtual machine on this machine, which discards kernel settings when it restarts. Its kernel is
    /// accessible through a container of `image`, if present.
    Machine {
        /// Product name.
        product: String,
        /// Image with a shell.
        image: Option<String>,
    },
    /// On another machine. Its kernel is accessible in the same way, and its own configuration files persist.
    Elsewhere {
        /// Endpoint of the container engine.
        endpoint: String,
        /// Image with a shell.
        image: Option<String>,
    },
}

/// A change of kernel settings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Kernel settings, by name.
    Sysctls(Vec<(&'static str, String)>),
    /// Files under `/sys/kernel/mm/transparent_hugepage`, by name.
    HugePages(Vec<(&'static str, &'static str)>),
}

/// A change and its location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// The change.
    pub change: Change,
    /// Location of the change.
    pub seat: Seat,
}

const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage";

impl Change {
    /// Returns path and contents of the files that make the change persistent. Each setting has its own file,
    /// so that writing it again is idempotent and deleting it reverts the change.
    pub fn files(&self) -> Vec<(String, String)> {
        match self {
            Self::Sysctls(settings) => settings
                .iter()
                .map(|(key, value)| {
                    (
                        format!("/etc/sysctl.d/99-rcup-{}.conf", key.replace('.', "-")),
                        format!("{key} = {value}"),
                    )
                })
                .collect(),
            Self::HugePages(files) => files
                .iter()
                .map(|(file, value)| {
                    (
                        format!("/etc/tmpfiles.d/rcup-thp-{file}.conf"),
                        format!("w- {HUGE_PAGES}/{file} - - - - {value}"),
                    )
                })
                .collect(),
        }
    }

    /// Returns the kernel's files and the values to write to them.
    pub fn writes(&self) -> Vec<(String, String)> {
        match self {
            Self::Sysctls(settings) => settings
                .iter()
                .map(|(key, value)| (format!("/proc/sys/{}", key.replace('.', "/")), value.clone()))
                .collect(),
            Self::HugePages(files) => files
                .iter()
                .map(|(file, value)| (format!("{HUGE_PAGES}/{file}"), (*value).to_owned()))
                .collect(),
        }
    }
}

impl Remedy {
    /// Returns whether rcup can apply the change from this machine safely.
    pub fn is_automatic(&self) -> bool {
        self.seat == Seat::Here
    }

    /// Returns the commands for this machine: those that apply the change now, then those that make it
    /// persistent. They must run as root and do not contain sudo.
    pub fn commands(&self) -> Vec<String> {
        let now = match &self.change {
            Change::Sysctls(settings) => {
                let pairs: Vec<String> = settings
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                vec![format!("sysctl -q -w {}", pairs.join(" "))]
            }
            Change::HugePages(_) => self
                .change
                .writes()
                .iter()
                .map(|(file, value)| format!("echo {value} > {file}"))
                .collect(),
        };
        let for_good = self
            .change
            .files()
            .into_iter()
            .map(|(file, line)| format!("echo '{line}' > {file}"));
        now.into_iter().chain(for_good).collect()
    }

    /// Returns the command that applies the change immediately, for the user.
    pub fn now(&self) -> String {
        match (&self.seat, &self.change) {
            (Seat::Machine { image, .. } | Seat::Elsewhere { image, .. }, change) => {
                let writes: Vec<String> = change
                    .writes()
                    .iter()
                    .map(|(file, value)| format!("echo {value} > {file}"))
                    .collect();
                format!(
                    "docker run --rm --privileged --network host --user 0 --entrypoint sh {} -c '{}'",
                    image.as_deref().unwrap_or("alpine"),
                    writes.join("; ")
                )
            }
            (Seat::Here, Change::Sysctls(settings)) => {
                let pairs: Vec<String> = settings
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                format!("sudo sysctl -w {}", pairs.join(" "))
            }
            (Seat::Here, Change::HugePages(_)) => self
                .change
                .writes()
                .iter()
                .map(|(file, value)| format!("echo {value} | sudo tee {file}"))
                .collect::<Vec<_>>()
                .join(" && "),
        }
    }

    /// Returns the command that makes the change permanent, for the user; `None` if no change can persist.
    pub fn for_good(&self) -> Option<String> {
        if matches!(self.seat, Seat::Machine { .. }) {
            return None;
        }
        let lines: Vec<String> = self
            .change
            .files()
            .iter()
            .map(|(file, line)| format!("echo '{line}' | sudo tee {file}"))
            .collect();
        let command = lines.join(" && ");
        Some(match &self.seat {
            Seat::Elsewhere { .. } => format!("On the Docker host: {command}"),
            Seat::Here | Seat::Machine { .. } => command,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(change: Change, seat: Seat) -> Remedy {
        Remedy { change, seat }
    }

    #[test]
    fn the_commands_fit_the_place() {
        let overcommit = || Change::Sysctls(vec![("vm.overcommit_memory", "1".to_owned())]);
        let here = remedy(overcommit(), Seat::Here);
        assert_eq!(here.now(), "sudo sysctl -w vm.overcommit_memory=1");
        assert_eq!(
            here.for_good().unwrap(),
            "echo 'vm.overcommit_memory = 1' | sudo tee /etc/sysctl.d/99-rcup-vm-overcommit_memory.conf"
        );
        let machine = Seat::Machine {
            product: "Docker Desktop".to_owned(),
            image: Some("redis:8".to_owned()),
        };
        let there = remedy(overcommit(), machine);
        assert_eq!(
            there.now(),
            "docker run --rm --privileged --network host --user 0 --entrypoint sh redis:8 -c 'echo 1 > \
             /proc/sys/vm/overcommit_memory'"
        );
        assert_eq!(there.for_good(), None);
        let elsewhere = Seat::Elsewhere {
            endpoint: "ssh://build".to_owned(),
            image: Some("redis:8".to_owned()),
        };
        let remote = remedy(overcommit(), elsewhere);
        assert_eq!(remote.now(), there.now());
        assert_eq!(
            remote.for_good().unwrap(),
            "On the Docker host: echo 'vm.overcommit_memory = 1' | sudo tee \
             /etc/sysctl.d/99-rcup-vm-overcommit_memory.conf"
        );
        assert!(!remote.is_automatic());
        assert!(!there.is_automatic());
    }

    #[test]
    fn huge_pages_are_turned_off_now_and_at_every_boot() {
        let change = Change::HugePages(vec![("enabled", "never")]);
        assert_eq!(
            remedy(change, Seat::Here).commands(),
            [
                "echo never > /sys/kernel/mm/transparent_hugepage/enabled",
                "echo 'w- /sys/kernel/mm/transparent_hugepage/enabled - - - - never' > \
                 /etc/tmpfiles.d/rcup-thp-enabled.conf"
            ]
        );
    }
}
