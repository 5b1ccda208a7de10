//! Conversions from and to the types of the crate `http`.

#![cfg(feature = "http")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use http::{HeaderMap, HeaderValue, Request, Response};
use proto_http2::Fields;

fn shown(fields: &Fields) -> Vec<(String, String, bool)> {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    fields
        .iter()
        .map(|field| (text(field.name), text(field.value), field.is_sensitive))
        .collect()
}

#[test]
fn requests_go_both_ways() {
    let mut secret = HeaderValue::from_static("Basic abc");
    secret.set_sensitive(true);
    let request = Request::post("https://utopia.example/form?a=b")
        .header("host", "utopia.example")
        .header("connection", "keep-alive")
        .header("keep-alive", "timeout=5")
        .header("authorization", secret)
        .header("accept", "*/*")
        .body(())
        .unwrap();
    let fields = Fields::from(&request);
    let field = |name: &str, value: &str, is_sensitive| (name.into(), value.into(), is_sensitive);
    assert_eq!(
        shown(&fields),
        [
            field(":method", "POST", false),
            field(":scheme", "https", false),
            field(":authority", "utopia.example", false),
            field(":path", "/form?a=b", false),
            field("authorization", "Basic abc", true),
            field("accept", "*/*", false),
        ]
    );
    let back = Request::<()>::try_from(&fields).unwrap();
    assert_eq!(back.method(), request.method());
    assert_eq!(back.uri(), request.uri());
    assert!(back.headers()["authorization"].is_sensitive());
    assert_eq!(Fields::from(&back), fields);
}

#[test]
fn connect_has_an_authority_alone() {
    let request = Request::connect("utopia.example:443").body(()).unwrap();
    let fields = Fields::from(&request);
    let names: Vec<_> = shown(&fields).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, [":method", ":authority"]);
    let back = Request::<()>::try_from(&fields).unwrap();
    assert_eq!(back.uri(), "utopia.example:443");
}

/// RFC 9113 section 8.2.3.
#[test]
fn crumbs_of_a_cookie_are_put_together() {
    let fields = Fields::request("GET", "https", "utopia.example", "/")
        .with("cookie", "a=b")
        .with("accept", "*/*")
        .with("cookie", "c=d");
    let request = Request::<()>::try_from(&fields).unwrap();
    assert_eq!(request.headers()["cookie"], "a=b; c=d");
    assert_eq!(request.headers().len(), 2);
}

#[test]
fn responses_and_trailers_go_both_ways() {
    let response = Response::builder()
        .status(404)
        .header("set-cookie", "a=b")
        .header("set-cookie", "c=d")
        .body(())
        .unwrap();
    let fields = Fields::from(&response);
    assert_eq!(fields.status(), Some(404));
    let back = Response::<()>::try_from(&fields).unwrap();
    assert_eq!(back.status(), 404);
    assert_eq!(back.headers(), response.headers());
    let trailers = Fields::new().with("x-sum", "1");
    let map = HeaderMap::try_from(&trailers).unwrap();
    assert_eq!(Fields::from(&map), trailers);
}

#[test]
fn what_is_no_message_is_an_error() {
    assert!(Response::<()>::try_from(&Fields::new()).is_err());
    assert!(Request::<()>::try_from(&Fields::new()).is_err());
    let wrong = Fields::response(200).with("a b", "c");
    assert!(Response::<()>::try_from(&wrong).is_err());
    let wrong = Fields::response(200).with("a", "b\r\nc: d");
    assert!(Response::<()>::try_from(&wrong).is_err());
}
