//! The browser's files, held in memory: a few, small, and read before the process becomes a user that may not see them.

use std::{collections::HashMap, io, path::Path, sync::Arc};

use app::Assets;
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, Response as Answer, header},
    response::Response,
};
use serde::Deserialize;

/// The built site.
#[derive(Clone)]
pub struct Site {
    /// The names of its files in pages.
    pub assets: Assets,
    files: Arc<HashMap<String, Bytes>>,
}

/// The names that the build gave to the browser's files.
#[derive(Deserialize)]
struct Names {
    js: String,
    link: String,
    wasm: String,
    css: String,
    parts: HashMap<String, Vec<String>>,
}

impl Site {
    /// Reads `assets.json` and everything under `pkg/`.
    ///
    /// # Errors
    /// When a file cannot be read, or `assets.json` is not what the build writes.
    pub fn read(root: &Path) -> io::Result<Self> {
        let Names {
            js,
            link,
            wasm,
            css,
            parts,
        } = serde_json::from_slice(&std::fs::read(root.join("assets.json"))?)?;
        let mut files = HashMap::new();
        collect(&root.join("pkg"), "", &mut files)?;
        let at = |name: String| format!("/pkg/{name}");
        let font = files.keys().find(|name| name.starts_with("inter.")).cloned();
        let assets = Assets {
            js: at(js),
            link: at(link),
            wasm: at(wasm),
            css: at(css),
            font: font.map(at),
            parts: Arc::new(
                parts
                    .into_iter()
                    .map(|(area, files)| (area, files.into_iter().map(at).collect()))
                    .collect(),
            ),
        };
        Ok(Self {
            assets,
            files: Arc::new(files),
        })
    }

    /// The file of this name in the best form that the browser takes. Names carry the hash of the content, so it may be
    /// kept for ever.
    pub(super) fn answer(&self, name: &str, headers: &HeaderMap) -> Option<Response> {
        let plain = self.files.get(name)?;
        let accepted = headers
            .get(header::ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let packed = [("br", "br"), ("gzip", "gz")]
            .into_iter()
            .find_map(|(encoding, ending)| {
                let file = self.files.get(&format!("{name}.{ending}"))?;
                takes(accepted, encoding).then_some((encoding, file))
            });
        let (encoding, content) = packed.map_or((None, plain), |(encoding, file)| (Some(encoding), file));
        let mut answer = Answer::new(Body::from(content.clone()));
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        );
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        Some(answer)
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut HashMap<String, Bytes>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, std::fs::read(entry.path())?.into());
        }
    }
    Ok(())
}

/// Whether an `Accept-Encoding` takes an encoding: it is named, and not with weight zero.
fn takes(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        words.next() == Some(encoding) && !words.any(|weight| weight.trim_end_matches(['0', '.']) == "q=")
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("wasm") => "application/wasm",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_taken_unless_its_weight_is_zero() {
        for accepted in ["br", "gzip, br", "gzip;q=0.5, br;q=0.1", "br;q=1.0"] {
            assert!(takes(accepted, "br"), "{accepted}");
        }
        for accepted in ["", "gzip", "br;q=0", "br;q=0.0, gzip", "brotli"] {
            assert!(!takes(accepted, "br"), "{accepted}");
        }
    }
}
