//! Wire formats: which paths they own, how their requests are read and their answers written. One format is one file.

pub mod openai_chat;

use http::Method;

/// What a path is for. A path that is not here is refused: default deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// A chat in the format of OpenAI's chat completions.
    OpenAiChat,
    /// The list of models.
    Models,
}

/// Why a path is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// Nobody owns it.
    Unknown,
    /// Its owner does not take this method.
    Method(&'static str),
}

/// Finds the owner of a path, compared byte for byte: no trailing slash, no other case, no escapes, no query.
///
/// # Errors
/// No dialect owns the path, or not with this method.
pub fn route(method: &Method, path: &str) -> Result<Route, NoRoute> {
    let (route, allowed, name) = match path {
        "/v1/chat/completions" => (Route::OpenAiChat, Method::POST, "POST"),
        "/v1/models" => (Route::Models, Method::GET, "GET"),
        _ => return Err(NoRoute::Unknown),
    };
    if *method == allowed { Ok(route) } else { Err(NoRoute::Method(name)) }
}

#[cfg(test)]
mod tests {
    use super::{NoRoute, Route, route};
    use http::Method;

    #[test]
    fn only_exact_paths_have_an_owner() {
        assert_eq!(route(&Method::POST, "/v1/chat/completions"), Ok(Route::OpenAiChat));
        assert_eq!(route(&Method::GET, "/v1/models"), Ok(Route::Models));
        assert_eq!(route(&Method::GET, "/v1/chat/completions"), Err(NoRoute::Method("POST")));
        for path in [
            "/v1/chat/completions/",
            "//v1/chat/completions",
            "/V1/chat/completions",
            "/v1/%63hat/completions",
            "/v1/chat/completions;x",
            "/v1/./chat/completions",
            "/v1/embeddings",
            "/api/generate",
            "",
        ] {
            assert_eq!(route(&Method::POST, path), Err(NoRoute::Unknown), "{path}");
        }
    }
}
