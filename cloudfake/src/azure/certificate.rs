//! The RSA key in a certificate (RFC 5280), to check what was signed with its other half.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The certificate in `pem`, DER, and its public key as PKCS#1.
pub(super) fn read(pem: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    // Certificate, then tbsCertificate in it.
    let (_, certificate_value, _) = element(&certificate)?;
    let (_, mut rest, _) = element(certificate_value)?;
    let (tag, _, after) = element(rest)?;
    // The version is optional.
    if tag == 0xa0 {
        rest = after;
    }
    // serialNumber, signature, issuer, validity, subject.
    for _ in 0..5 {
        (_, _, rest) = element(rest)?;
    }
    let (_, key_info, _) = element(rest)?;
    let (_, _, bits) = element(key_info)?;
    let (_, bits, _) = element(bits)?;
    // The first byte of a bit string counts its unused bits.
    Some((certificate.to_vec(), bits.get(1..)?.to_vec()))
}

/// The first element of DER: its tag, its value, what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..0x80 => (usize::from(first), rest),
        _ => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}
