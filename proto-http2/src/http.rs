//! [`Fields`] from and to the types of the crate `http` (feature `http`).
//!
//! Values keep their mark as secrets. What HTTP/2 does not carry (`connection` and its kin, and a
//! `host` beside the authority) is left out on the way to [`Fields`]; crumbs of a cookie are put
//! together on the way back (RFC 9113 section 8.2.3).

use crate::Fields;
use alloc::vec::Vec;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};

impl<T> From<&Request<T>> for Fields {
    /// The head of a request. Scheme and authority come from the target, the authority else from
    /// `host`.
    fn from(request: &Request<T>) -> Self {
        let mut fields = Self::new();
        let (uri, headers) = (request.uri(), request.headers());
        fields.push(":method", request.method().as_str());
        let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
        let authority = uri
            .authority()
            .map(|authority| authority.as_str().as_bytes())
            .or(host);
        if request.method() != Method::CONNECT {
            fields.push(":scheme", uri.scheme_str().unwrap_or("https"));
        }
        if let Some(authority) = authority {
            fields.push(":authority", authority);
        }
        // RFC 9113 section 8.5: CONNECT has neither scheme nor path.
        if request.method() != Method::CONNECT {
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            fields.push(":path", path);
        }
        append(&mut fields, headers);
        fields
    }
}

impl<T> From<&Response<T>> for Fields {
    /// The head of a response.
    fn from(response: &Response<T>) -> Self {
        let mut fields = Self::response(response.status().as_u16());
        append(&mut fields, response.headers());
        fields
    }
}

impl From<&HeaderMap> for Fields {
    /// Trailers.
    fn from(headers: &HeaderMap) -> Self {
        let mut fields = Self::new();
        append(&mut fields, headers);
        fields
    }
}

impl TryFrom<&Fields> for Request<()> {
    type Error = http::Error;

    /// The head of a request.
    fn try_from(fields: &Fields) -> Result<Self, http::Error> {
        let method = Method::from_bytes(fields.method().unwrap_or_default())?;
        let mut uri = Uri::builder();
        if let Some(scheme) = fields.value(":scheme") {
            uri = uri.scheme(scheme);
        }
        if let Some(authority) = fields.value(":authority") {
            uri = uri.authority(authority);
        }
        if let Some(path) = fields.path() {
            uri = uri.path_and_query(path);
        }
        // A target with a scheme needs an authority; one of a request with `host` alone has none.
        if fields.value(":authority").is_none() {
            uri = Uri::builder().path_and_query(fields.path().unwrap_or(b"/"));
        }
        let mut request = Self::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri.build()?;
        *request.headers_mut() = HeaderMap::try_from(fields)?;
        Ok(request)
    }
}

impl TryFrom<&Fields> for Response<()> {
    type Error = http::Error;

    /// The head of a response.
    fn try_from(fields: &Fields) -> Result<Self, http::Error> {
        let mut response = Self::new(());
        let status = fields.value(":status").unwrap_or_default();
        *response.status_mut() = StatusCode::from_bytes(status)?;
        *response.headers_mut() = HeaderMap::try_from(fields)?;
        Ok(response)
    }
}

impl TryFrom<&Fields> for HeaderMap {
    type Error = http::Error;

    /// All fields but the pseudo-fields.
    fn try_from(fields: &Fields) -> Result<Self, http::Error> {
        let mut headers = Self::new();
        let mut cookie: Option<(Vec<u8>, bool)> = None;
        for field in fields.iter() {
            match field.name {
                [b':', ..] => {}
                b"cookie" => {
                    let (crumbs, is_sensitive) = cookie.get_or_insert_default();
                    if !crumbs.is_empty() {
                        crumbs.extend_from_slice(b"; ");
                    }
                    crumbs.extend_from_slice(field.value);
                    *is_sensitive |= field.is_sensitive;
                }
                name => {
                    let value = value(field.value, field.is_sensitive)?;
                    headers.try_append(HeaderName::from_bytes(name)?, value)?;
                }
            }
        }
        if let Some((crumbs, is_sensitive)) = cookie {
            headers.try_append(header::COOKIE, value(&crumbs, is_sensitive)?)?;
        }
        Ok(headers)
    }
}

fn value(octets: &[u8], is_sensitive: bool) -> Result<HeaderValue, http::Error> {
    let mut value = HeaderValue::from_bytes(octets)?;
    value.set_sensitive(is_sensitive);
    Ok(value)
}

fn append(fields: &mut Fields, headers: &HeaderMap) {
    let has_authority = fields.value(":authority").is_some();
    for (name, value) in headers {
        // RFC 9113 section 8.2.2.
        let is_left_out = match *name {
            header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE => true,
            header::HOST => has_authority,
            _ => matches!(name.as_str(), "keep-alive" | "proxy-connection"),
        };
        if !is_left_out {
            let name = name.as_str().as_bytes();
            fields.append(name, value.as_bytes(), value.is_sensitive());
        }
    }
}
