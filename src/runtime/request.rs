//! Requests to create objects.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::runtime::labels::Labels;

/// The user and group id of every node process and its files, as in the official images. An image need not have a
/// name for it.
pub const USER: u32 = 999;

/// A bridge network with a subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRequest {
    /// Its name.
    pub name: String,
    /// Its subnet.
    pub subnet: Ipv4Net,
    /// The address of the bridge itself.
    pub gateway: Ipv4Addr,
    /// The range from which the container engine assigns addresses to other containers; `None` for the whole
    /// subnet.
    pub others: Option<Ipv4Net>,
    /// Addresses for the container in which rcup runs, if any.
    pub guests: Vec<Ipv4Addr>,
    /// Its labels.
    pub labels: Labels,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeRequest {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

/// A container, created but not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRequest {
    /// Its name, which is also its host name and its DNS name on the network.
    pub name: String,
    /// The image.
    pub image: String,
    /// Program and arguments. The image's own entry point is not used.
    pub command: Vec<String>,
    /// `uid:gid`.
    pub user: String,
    /// The network's name.
    pub network: String,
    /// Its address there.
    pub ip: Ipv4Addr,
    /// The port, published with the same number.
    pub port: u16,
    /// The publish address on the Docker host.
    pub published: Ipv4Addr,
    /// The limit of open files, soft and hard; `None` for the default.
    pub open_files: Option<u64>,
    /// Memory limit in bytes, without swap; `None` for no limit.
    pub memory: Option<u64>,
    /// Sysctls of its network namespace.
    pub sysctls: Vec<(String, String)>,
    /// Directories that get an empty tmpfs, because the image declares them as
    /// volumes: an anonymous volume would have no label and never be removed.
    pub scratch: Vec<String>,
    /// The volume with the node's files.
    pub volume: VolumeRequest,
    /// The mount point of the volume.
    pub mount: String,
    /// Its labels.
    pub labels: Labels,
}

/// A file, or a directory if it has no text.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// The absolute path.
    pub path: String,
    /// The permissions.
    pub mode: u32,
    /// The text; `None` for a directory.
    pub contents: Option<String>,
}

impl std::fmt::Debug for File {
    /// Omits the text, which may contain secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("mode", &format_args!("{:o}", self.mode))
            .field("bytes", &self.contents.as_ref().map(String::len))
            .finish()
    }
}

/// A probe container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// Its name.
    pub name: String,
    /// The image.
    pub image: String,
    /// Program and arguments. The image's own entry point is not used.
    pub command: Vec<String>,
    /// The network it is on; `None` for none at all.
    pub network: Option<String>,
    /// Files for its own file system.
    pub files: Vec<File>,
    /// Its labels.
    pub labels: Labels,
}

/// Files for one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeFiles {
    /// The volume.
    pub volume: VolumeRequest,
    /// The files. Their paths start at the volume's root.
    pub files: Vec<File>,
}

/// Files for volumes, copied through one container that mounts all volumes and never runs. This needs one upload
/// for each volume; copying into every container would cost a mount and an unmount each. Podman writes files to the
/// volume of a container that does not run only if the upload path is the volume's mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesRequest {
    /// The name of the container.
    pub name: String,
    /// Its image (not used).
    pub image: String,
    /// The volumes and their files.
    pub volumes: Vec<VolumeFiles>,
    /// The container's labels.
    pub labels: Labels,
}
