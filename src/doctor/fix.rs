//! What mends a finding, as data, and the commands that do it where the containers run.

/// Where the containers run, as seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seat {
    /// On this machine's kernel.
    Here,
    /// In a virtual machine on this computer, which forgets what is changed in it when it starts again. Its
    /// kernel is reached through a container of `image`, where one is there.
    Machine {
        /// The product.
        product: String,
        /// An image with a shell.
        image: Option<String>,
    },
    /// On another machine, whose kernel is reached in the same way, and remembers what its own files say.
    Elsewhere {
        /// The engine's endpoint.
        endpoint: String,
        /// An image with a shell.
        image: Option<String>,
    },
}

/// What is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Kernel settings, by name.
    Sysctls(Vec<(&'static str, String)>),
    /// Files under `/sys/kernel/mm/transparent_hugepage`, by name.
    HugePages(Vec<(&'static str, &'static str)>),
}

/// A change, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What is changed.
    pub change: Change,
    /// Where.
    pub seat: Seat,
}

const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage";

impl Change {
    /// The file that keeps the change over a restart: one for each setting, so that writing it again changes
    /// nothing and removing it is all it takes to undo it. With what stands in it.
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

    /// The kernel's files, and what is written to them.
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
    /// Whether a program can do it from here without harm.
    pub fn is_automatic(&self) -> bool {
        self.seat == Seat::Here
    }

    /// The commands for this machine, a line each: now, and for good. They need root, and contain no sudo.
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

    /// The command for a person, now.
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

    /// The command for a person, for good; `None` where nothing lasts.
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
