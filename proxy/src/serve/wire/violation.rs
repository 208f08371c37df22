//! What is wrong with bytes, and what their sender is told.

use http::StatusCode;

/// A rule of HTTP, or of this server, that was broken. `RFC` below is 9112 unless another is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::serve) enum Violation {
    /// A line ends in a line feed alone (2.2).
    BareLf,
    /// A carriage return stands alone (2.2).
    BareCr,
    /// A control character, NUL among them (RFC 9110, 5.5).
    Control,
    /// The first line is not a method, a target and a version with one space between each (3).
    RequestLine,
    /// The method is none that is implemented here (RFC 9110, 9.1).
    Method,
    /// The target is absolute, an authority or an asterisk: this is no proxy that is told where to go (3.2).
    TargetForm,
    /// The target has a character that a path cannot have.
    Target,
    /// The first line is too long.
    TargetLength,
    /// The version is not HTTP/1.1 or HTTP/1.0.
    Version,
    /// The head is too long.
    HeadLength,
    /// The head has too many fields.
    HeadCount,
    /// The connection ended within a head.
    HeadCut,
    /// The head took too long.
    HeadSlow,
    /// A field has no name, or one with characters no name has; a space before the colon among them (5.1).
    FieldName,
    /// A field's value begins or ends with a space (RFC 9113, 8.2.1).
    FieldValue,
    /// A field is folded over two lines (5.2).
    Fold,
    /// There is no `Host` (3.2).
    NoHost,
    /// There are two (3.2).
    Hosts,
    /// It is no host and port (RFC 3986, 3.2.2).
    Host,
    /// It is none of this server's names: a foreign name that was made to point here (RFC 9110, 7.4).
    ForeignHost,
    /// `:authority` and `host` differ (RFC 9113, 8.3.1).
    Authority,
    /// There are two lengths (6.3).
    Lengths,
    /// A length is not a plain decimal number (6.3).
    Length,
    /// There is a length and a transfer coding (6.1).
    LengthAndCoding,
    /// There are two transfer codings, or chunked is not the only one (6.1).
    Codings,
    /// The transfer coding is none that is implemented here (6.1).
    Coding,
    /// A field's name looks like one that frames the body, to readers that take `_` for `-`.
    Lookalike,
    /// The body is longer than it may be.
    BodyLength,
    /// The body took too long.
    BodySlow,
    /// An expectation other than `100-continue` (RFC 9110, 10.1.1).
    Expect,
    /// Another protocol is asked for (RFC 9110, 7.8).
    Upgrade,
    /// The connection header names something else than `close`, `keep-alive` or `te`.
    Connection,
    /// Fields after the body, where nobody reads them.
    Trailers,
    /// A chunk's size is no hexadecimal number of at most 16 digits (7.1).
    ChunkSize,
    /// A chunk's extensions are too long or no text (7.1.1).
    ChunkExtension,
    /// A chunk does not end where its size says.
    ChunkEnd,
    /// Many chunks of a few bytes each.
    ChunkCount,
    /// More frames of HTTP/2 that carry nothing than any client has use for.
    Flood,
    /// HTTP/2 was not spoken as RFC 9113 says.
    Http2,
    /// HTTP/1 was not spoken as hyper reads it, though the fence found nothing.
    Unreadable,
    /// The client does not read what it asked for.
    Stalled,
}

impl Violation {
    /// The status of the answer.
    pub(in crate::serve) fn status(self) -> StatusCode {
        match self {
            Self::Method | Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::TargetLength => StatusCode::URI_TOO_LONG,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::HeadLength | Self::HeadCount => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::HeadSlow | Self::BodySlow | Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            Self::BodyLength => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Expect => StatusCode::EXPECTATION_FAILED,
            Self::BareLf
            | Self::BareCr
            | Self::Control
            | Self::RequestLine
            | Self::TargetForm
            | Self::Target
            | Self::HeadCut
            | Self::FieldName
            | Self::FieldValue
            | Self::Fold
            | Self::NoHost
            | Self::Hosts
            | Self::Host
            | Self::Authority
            | Self::Lengths
            | Self::Length
            | Self::LengthAndCoding
            | Self::Codings
            | Self::Lookalike
            | Self::Upgrade
            | Self::Connection
            | Self::Trailers
            | Self::ChunkSize
            | Self::ChunkExtension
            | Self::ChunkEnd
            | Self::ChunkCount
            | Self::Flood
            | Self::Http2
            | Self::Unreadable => StatusCode::BAD_REQUEST,
        }
    }

    /// A word for programs, and a sentence for people; neither repeats what was sent.
    pub(in crate::serve) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::BareLf => ("bare_lf", "a line must end in CR LF"),
            Self::BareCr => ("bare_cr", "a CR must be followed by LF"),
            Self::Control => ("control_character", "a head must have no control characters"),
            Self::RequestLine => ("request_line", "the first line must be a method, a path and a version"),
            Self::Method => ("unknown_method", "this method is not implemented"),
            Self::TargetForm => ("target_form", "the target must be a path; this is no forward proxy"),
            Self::Target => ("target", "the path has a character that must be percent-encoded"),
            Self::TargetLength => ("target_too_long", "the first line is too long"),
            Self::Version => ("version", "the version must be HTTP/1.1, HTTP/1.0 or HTTP/2 with prior knowledge"),
            Self::HeadLength => ("head_too_large", "the head is too large"),
            Self::HeadCount => ("too_many_fields", "the head has too many fields"),
            Self::HeadCut => ("head_cut", "the connection ended within a head"),
            Self::HeadSlow => ("head_timeout", "the head took too long"),
            Self::FieldName => ("field_name", "a field must be a name, a colon right behind it, and a value"),
            Self::FieldValue => ("field_value", "a value must not begin or end with a space"),
            Self::Fold => ("folded_field", "a field must stand on one line"),
            Self::NoHost => ("no_host", "a request must name its host"),
            Self::Hosts => ("two_hosts", "a request must name one host"),
            Self::Host => ("host", "the host must be a name or an address, and a port"),
            Self::ForeignHost => {
                ("foreign_host", "this server does not answer to that host name; use its address, or add it to `hosts`")
            }
            Self::Authority => ("authority", "`:authority` and `host` must be the same"),
            Self::Lengths => ("two_lengths", "a body must have one length"),
            Self::Length => ("content_length", "the length must be a plain decimal number"),
            Self::LengthAndCoding => ("length_and_coding", "a body must have a length or be chunked, not both"),
            Self::Codings => ("two_codings", "`chunked` must be the only transfer coding"),
            Self::Coding => ("transfer_coding", "no transfer coding but `chunked` is implemented"),
            Self::Lookalike => ("lookalike_field", "a field's name looks like one that frames the body"),
            Self::BodyLength => ("body_too_large", "the body is too large"),
            Self::BodySlow => ("body_timeout", "the body took too long"),
            Self::Expect => ("expectation", "no expectation but `100-continue` can be met"),
            Self::Upgrade => ("upgrade", "no other protocol can be asked for"),
            Self::Connection => ("connection", "`connection` must be `close`, `keep-alive` or `te`"),
            Self::Trailers => ("trailers", "there must be no fields after the body"),
            Self::ChunkSize => ("chunk_size", "a chunk's size must be a hexadecimal number"),
            Self::ChunkExtension => ("chunk_extension", "a chunk's extensions are too long, or no text"),
            Self::ChunkEnd => ("chunk_end", "a chunk must be as long as its size says"),
            Self::ChunkCount => ("chunk_count", "the body is cut into too many small pieces"),
            Self::Flood => ("flood", "too many frames that carry nothing"),
            Self::Http2 => ("http2", "HTTP/2 was not spoken as it must be"),
            Self::Unreadable => ("unreadable", "the request cannot be read"),
            Self::Stalled => ("stalled", "the client does not read what it asked for"),
        }
    }
}

/// A violation and where it was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::serve) struct Fault {
    /// What was wrong.
    pub(in crate::serve) violation: Violation,
    /// The path it was about, without its query, as far as it was read; at most 256 characters.
    pub(in crate::serve) path: String,
    /// Where in a request it was met.
    pub(in crate::serve) within: Within,
}

impl Fault {
    /// A fault of a whole connection.
    pub(in crate::serve) fn of_connection(violation: Violation) -> Self {
        Self { violation, path: String::new(), within: Within::Pause }
    }
}

/// What a client is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) enum Within {
    /// Nothing.
    Pause,
    /// A head; of HTTP/2, a frame or a block of fields.
    Head,
    /// A body.
    Body,
}
