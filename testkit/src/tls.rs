use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::failure::{Doing, or_fail};

/// A server's or a client's certificate and private key, as PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Identity {
    /// Writes certificate and key as `client.crt` and `client.key` into a folder, the key for its owner's eyes alone, and
    /// returns their paths (`sslcert`, `sslkey`).
    #[must_use]
    pub fn write_into(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join("client.crt"), folder.join("client.key"));
        let written = fs::write(&certificate, &self.certificate)
            .and_then(|()| fs::write(&key, &self.key))
            .and_then(|()| fs::set_permissions(&key, fs::Permissions::from_mode(0o600)));
        or_fail(written.doing("writing a client's certificate"));
        (certificate, key)
    }
}

/// A certificate authority that exists for one test: issues [`Identity`] values and is what a client must trust.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    key: String,
}

impl Authority {
    /// A new authority, unknown to everyone.
    #[must_use]
    pub fn new() -> Self {
        or_fail(Self::make().doing("making a certificate authority"))
    }

    /// A certificate for these host names and addresses, for example `["localhost", "127.0.0.1"]`; for a client, its user's
    /// name.
    #[must_use]
    pub fn issue(&self, hosts: &[&str]) -> Identity {
        or_fail(self.sign(hosts).doing("making a certificate"))
    }

    /// The authority's own certificate as a server's, as `openssl req -x509` makes one: CA:TRUE, and signed by itself.
    #[must_use]
    pub fn itself(&self) -> Identity {
        Identity {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        }
    }

    /// A certificate with its host as common name alone, as they were made before there was `subjectAltName`.
    #[must_use]
    pub fn issue_by_common_name(&self, host: &str) -> Identity {
        or_fail(self.sign_for(host, &[]).doing("making a certificate"))
    }

    /// The certificate to trust (`sslrootcert`), as PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Writes the certificate to trust as `root.crt` into a folder and returns its path.
    #[must_use]
    pub fn write_into(&self, folder: &Path) -> PathBuf {
        let path = folder.join("root.crt");
        or_fail(fs::write(&path, &self.certificate).doing("writing the root certificate"));
        path
    }

    fn make() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "throw-away authority");
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            key: key.serialize_pem(),
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    fn sign(&self, hosts: &[&str]) -> Result<Identity, rcgen::Error> {
        self.sign_for(hosts.first().copied().unwrap_or("nobody"), hosts)
    }

    fn sign_for(&self, name: &str, hosts: &[&str]) -> Result<Identity, rcgen::Error> {
        let mut params =
            CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
