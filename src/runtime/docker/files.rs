//! Copies files into and out of containers, as tar archives.

use std::io::Read as _;

use bollard::body_full;
use bollard::query_parameters as query;
use futures_util::TryStreamExt as _;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::docker::client::{Docker, QUICK, SLOW, call, late};
use crate::runtime::docker::translate;
use crate::runtime::request::File;

/// Maximum size of an archive; rcup only reads small files.
const MOST: usize = 16 * 1024 * 1024;

impl Docker {
    pub(crate) async fn put(&self, container: &str, path: &str, files: &[File]) -> Result<()> {
        let what = format!("put files into container {container}");
        let options = query::UploadToContainerOptionsBuilder::default()
            .path(path)
            .build();
        let body = body_full(translate::archive(files)?.into());
        let upload = self.client.upload_to_container(container, Some(options), body);
        call(&what, SLOW, upload).await
    }

    pub(crate) async fn get(&self, container: &str, path: &str) -> Result<Option<String>> {
        let what = format!("read {path} of container {container}");
        let options = query::DownloadFromContainerOptionsBuilder::default()
            .path(path)
            .build();
        let download = self.client.download_from_container(container, Some(options));
        let download = download.try_fold(Vec::new(), |mut all, piece| async move {
            if all.len() < MOST {
                all.extend_from_slice(&piece);
            }
            Ok(all)
        });
        let archive = match tokio::time::timeout(QUICK, download).await {
            Err(_) => return Err(late(&what, QUICK)),
            Ok(Err(error)) if translate::is_missing(&error) => return Ok(None),
            Ok(Err(error)) => return Err(translate::error(&what, error)),
            Ok(Ok(archive)) => archive,
        };
        let failed =
            |error: std::io::Error| Error::new(ErrorKind::Engine, format!("cannot {what}")).because(error);
        let mut archive = tar::Archive::new(archive.as_slice());
        let Some(entry) = archive.entries().map_err(failed)?.next() else {
            return Ok(None);
        };
        let mut text = String::new();
        entry.map_err(failed)?.read_to_string(&mut text).map_err(failed)?;
        Ok(Some(text))
    }
}
