//! The head of an HTTP/1 request, line by line, as RFC 9112 writes it and no laxer.

use super::{Rules, hosts, violation::Violation};

/// The methods that may be asked for; whether a path takes one is for its owner to say.
const METHODS: [&[u8]; 7] = [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"];
const MOST_FIELDS: usize = 64;

/// What is known of a head so far.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// The target without its query, if it is a path; at most 256 characters.
    pub(super) path: String,
    /// Whether no request follows on this connection.
    pub(super) last: bool,
    old: bool,
    fields: usize,
    host: bool,
    framing: Option<Framing>,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// By this number of bytes.
    Length(u64),
    /// By its chunks.
    Chunked,
}

impl Head {
    /// Reads the first line, without its end.
    pub(super) fn first(&mut self, line: &[u8]) -> Result<(), Violation> {
        let mut words = line.split(|b| *b == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Violation::RequestLine);
        };
        self.path = path(target);
        if !token(method) {
            return Err(Violation::RequestLine);
        }
        let [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] = version else {
            return Err(Violation::RequestLine);
        };
        match (major, minor) {
            (b'1', b'1') => {}
            // Served once: what HTTP/1.0 says of connections that stay open was never agreed on.
            (b'1', b'0') => (self.old, self.last) = (true, true),
            _ => return Err(Violation::Version),
        }
        if !is_method(method) {
            return Err(Violation::Method);
        }
        target_is_path(target)
    }

    /// Reads a field's line, without its end.
    pub(super) fn field(&mut self, line: &[u8], rules: &Rules) -> Result<(), Violation> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Violation::Fold);
        }
        self.fields += 1;
        if self.fields > MOST_FIELDS {
            return Err(Violation::HeadCount);
        }
        let colon = line.iter().position(|b| *b == b':').ok_or(Violation::FieldName)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Violation::FieldName)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if !token(name) {
            return Err(Violation::FieldName);
        }
        match name.to_ascii_lowercase().as_slice() {
            b"host" => {
                if std::mem::replace(&mut self.host, true) {
                    return Err(Violation::Hosts);
                }
                admitted(value, &rules.hosts)
            }
            b"content-length" => self.length(value, rules),
            b"transfer-encoding" => self.coding(value),
            b"content_length" | b"transfer_encoding" => Err(Violation::Lookalike),
            b"connection" => self.connection(value),
            b"expect" if !value.eq_ignore_ascii_case(b"100-continue") => Err(Violation::Expect),
            b"upgrade" | b"http2-settings" => Err(Violation::Upgrade),
            b"trailer" => Err(Violation::Trailers),
            _ => Ok(()),
        }
    }

    /// What the end of the head says about the body.
    pub(super) fn end(&self) -> Result<Framing, Violation> {
        if !self.host {
            return Err(Violation::NoHost);
        }
        Ok(self.framing.unwrap_or(Framing::Length(0)))
    }

    fn length(&mut self, value: &[u8], rules: &Rules) -> Result<(), Violation> {
        match self.framing {
            None => {}
            Some(Framing::Chunked) => return Err(Violation::LengthAndCoding),
            Some(Framing::Length(_)) => return Err(Violation::Lengths),
        }
        let length = length(value).ok_or(Violation::Length)?;
        if length > rules.body_bytes {
            return Err(Violation::BodyLength);
        }
        self.framing = Some(Framing::Length(length));
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Violation> {
        if matches!(self.framing, Some(Framing::Length(_))) {
            return Err(Violation::LengthAndCoding);
        }
        let codings = value.to_ascii_lowercase();
        let codings: Vec<&[u8]> = codings.split(|b| *b == b',').map(<[u8]>::trim_ascii).collect();
        let is_chunked = |coding: &&&[u8]| ***coding == *b"chunked";
        let chunked = codings.iter().filter(is_chunked).count();
        let last = codings.last().as_ref().is_some_and(is_chunked);
        // HTTP/1.0 has no chunks; a recipient that takes them all the same is half of a smuggling pair.
        if self.framing.is_some() || self.old || chunked > 1 || (chunked == 1 && !last) {
            return Err(Violation::Codings);
        }
        if codings.len() > 1 || chunked == 0 {
            return Err(Violation::Coding);
        }
        self.framing = Some(Framing::Chunked);
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) -> Result<(), Violation> {
        for option in value.split(|b| *b == b',').map(|option| option.trim_ascii().to_ascii_lowercase()) {
            match option.as_slice() {
                b"close" => self.last = true,
                b"keep-alive" | b"te" | b"" => {}
                b"upgrade" | b"http2-settings" => return Err(Violation::Upgrade),
                // Whoever names a field here wants it dropped on the way: `content-length`, say.
                _ => return Err(Violation::Connection),
            }
        }
        Ok(())
    }
}

/// Whether a method is one that may be asked for.
pub(super) fn is_method(method: &[u8]) -> bool {
    METHODS.contains(&method)
}

/// Whether a host is one of a listener's.
pub(super) fn admitted(host: &[u8], hosts: &hosts::Hosts) -> Result<(), Violation> {
    match hosts.admits(host) {
        Some(true) => Ok(()),
        Some(false) => Err(Violation::ForeignHost),
        None => Err(Violation::Host),
    }
}

/// A length as it must be written: digits alone, no zero before others, and small enough for 64 bits.
pub(super) fn length(value: &[u8]) -> Option<u64> {
    let plain = value.iter().all(u8::is_ascii_digit) && (value.len() == 1 || value.first() != Some(&b'0'));
    std::str::from_utf8(value).ok().filter(|_| plain)?.parse().ok()
}

/// Whether a target is a path and a query, of the characters RFC 3986 allows there.
pub(super) fn target_is_path(target: &[u8]) -> Result<(), Violation> {
    if target.first() != Some(&b'/') {
        return Err(Violation::TargetForm);
    }
    let mut rest = target.iter();
    while let Some(b) = rest.next() {
        let good = match b {
            b'%' => [rest.next(), rest.next()].iter().all(|digit| digit.is_some_and(u8::is_ascii_hexdigit)),
            b => b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(b),
        };
        if !good {
            return Err(Violation::Target);
        }
    }
    Ok(())
}

fn path(target: &[u8]) -> String {
    if target.first() != Some(&b'/') {
        return String::new();
    }
    let path = target.split(|b| matches!(b, b'?' | b'#')).next().unwrap_or_default();
    String::from_utf8_lossy(path).chars().take(256).collect()
}

fn token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}
