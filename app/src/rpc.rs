//! The one way from a server function to the engine, and the error that travels back.
//!
//! The server puts into each request's extensions: [`Transport`] always, and an `engine::Caller` when the session layer
//! proved one. It provides `engine::Engine` as leptos context to pages and server functions alike.

use std::pin::Pin;

use contract::{Code, Fault};
use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use server_fn::{
    Bytes, ContentType, Decodes, Encodes, Format, FormatType, Http, Protocol,
    client::Client,
    codec::Post,
    error::{FromServerFnError, IntoAppError, ServerFnErrorErr},
    redirect::call_redirect_hook,
    request::ClientReq,
    response::ClientRes,
    server::Server,
};

/// A fault as it crosses the wire. It is a type of this crate because `FromServerFnError` asks for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiError(pub Fault);

impl FromServerFnError for ApiError {
    type Encoder = JsonText;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        Self(match error {
            ServerFnErrorErr::Request(_) => Fault::new(Code::Internal, "The console cannot be reached.")
                .hint("Check the network and whether the console runs; what you see is the last known state."),
            // On the server it is the arguments that were not as they should be. The wrapper did not run, so the
            // status is set here.
            #[cfg(feature = "ssr")]
            ServerFnErrorErr::Args(text)
            | ServerFnErrorErr::MissingArg(text)
            | ServerFnErrorErr::Deserialization(text) => {
                server::set_status(Code::Invalid);
                Fault::new(Code::Invalid, format!("The request could not be read: {text}."))
                    .hint("Reload the page: the console was probably updated.")
            }
            #[cfg(not(feature = "ssr"))]
            ServerFnErrorErr::Deserialization(_) | ServerFnErrorErr::UnsupportedRequestMethod(_) => {
                Fault::new(Code::Internal, "The console's answer could not be read.")
                    .hint("Reload the page: the console was probably updated, or something between changed the answer.")
            }
            other => Fault::new(Code::Internal, format!("The console did not answer as it should ({other})."))
                .hint("Reload the page and try again."),
        })
    }
}

/// How arguments and answers of server functions travel.
pub type Json = Post<JsonText>;

/// JSON, read as text. server_fn's own encoding reads bytes, resources and events are read as text, and each way of
/// reading has code of its own for every type, which the browser would have to load twice.
pub struct JsonText;

impl ContentType for JsonText {
    const CONTENT_TYPE: &'static str = "application/json";
}

impl FormatType for JsonText {
    const FORMAT_TYPE: Format = Format::Text;
}

impl<T: Serialize> Encodes<T> for JsonText {
    type Error = serde_json::Error;

    fn encode(value: &T) -> Result<Bytes, Self::Error> {
        serde_json::to_vec(value).map(Bytes::from)
    }
}

impl<T: DeserializeOwned> Decodes<T> for JsonText {
    type Error = serde_json::Error;

    fn decode(bytes: Bytes) -> Result<T, Self::Error> {
        let text = std::str::from_utf8(&bytes).map_err(<serde_json::Error as serde::de::Error>::custom)?;
        serde_json::from_str(text)
    }
}

/// Both ways as JSON by `POST`. All that does not depend on the function's types is one piece of code for all functions,
/// which in server_fn's own `Http` is written out for each.
pub struct Rpc;

impl<Input, Output, C, S> Protocol<Input, Output, C, S, ApiError> for Rpc
where
    Input: Serialize + DeserializeOwned + Send,
    Output: Serialize + DeserializeOwned + Send,
    C: Client<ApiError>,
    S: Server<ApiError>,
    S::Request: Send + 'static,
{
    const METHOD: Method = Method::POST;

    async fn run_server<F, Fut>(request: S::Request, function: F) -> Result<S::Response, ApiError>
    where
        F: Fn(Input) -> Fut + Send,
        Fut: Future<Output = Result<Output, ApiError>> + Send,
    {
        <Http<Json, Json> as Protocol<Input, Output, C, S, ApiError>>::run_server(request, function).await
    }

    async fn run_client(path: &str, input: Input) -> Result<Output, ApiError> {
        let body = JsonText::encode(&input)
            .map_err(|error| ServerFnErrorErr::Serialization(error.to_string()).into_app_error())?;
        let answer = exchange::<C>(path, body).await?;
        JsonText::decode(answer)
            .map_err(|error| ServerFnErrorErr::Deserialization(error.to_string()).into_app_error())
    }
}

/// Sends a request and gives the answer's body, or the fault in it; follows where the answer leads.
fn exchange<C: Client<ApiError>>(
    path: &str,
    body: Bytes,
) -> Pin<Box<dyn Future<Output = Result<Bytes, ApiError>> + Send + '_>> {
    Box::pin(async move {
        let request =
            C::Request::try_new_post_bytes(path, JsonText::CONTENT_TYPE, JsonText::CONTENT_TYPE, body)?;
        let response = C::send(request).await?;
        let status = response.status();
        let leads_to = response.has_redirect().then(|| response.location());
        let body = response.try_into_bytes().await?;
        if (400..=599).contains(&status) {
            return Err(ApiError::de(body));
        }
        if let Some(location) = leads_to {
            call_redirect_hook(&location);
        }
        Ok(body)
    })
}

#[cfg(feature = "ssr")]
pub use server::{Transport, call, identity, public, refuse, set_page_status, target_names, transport};

#[cfg(feature = "ssr")]
mod server {
    use std::{error::Error as _, net::IpAddr};

    use contract::{Code, Fault, session::Identity};
    use engine::{Caller, Engine};
    use http::{StatusCode, request::Parts};
    use leptos::prelude::use_context;
    use leptos_axum::ResponseOptions;
    use tracing::Instrument as _;

    use super::ApiError;

    /// How a request came in; the server puts it into the request's extensions.
    #[derive(Clone, Copy, Debug)]
    pub struct Transport {
        /// False only for plain HTTP on a loopback address, where `Secure` cookies cannot be used.
        pub secure: bool,
        /// The client's network address, behind trusted proxies the one they name.
        pub address: Option<IpAddr>,
    }

    /// Runs an operation of the engine for the caller that the session layer proved.
    ///
    /// # Errors
    /// `Unauthenticated` without a caller; else the operation's fault. A fault of the console itself is logged here,
    /// once, with its chain of causes, under the id that its reader sees.
    pub async fn call<T, F, Fut>(operation: F) -> Result<T, ApiError>
    where
        F: FnOnce(Engine, Caller) -> Fut,
        Fut: Future<Output = engine::Result<T>>,
    {
        let request = Request::current();
        let engine = request.engine()?;
        let Some(caller) = use_context::<Parts>().and_then(|parts| parts.extensions.get::<Caller>().cloned())
        else {
            return Err(request.refuse(
                Fault::new(
                    Code::Unauthenticated,
                    "You are not logged in, or your session has ended.",
                )
                .hint("Log in again."),
            ));
        };
        let span = tracing::info_span!("rpc", path = %request.path, user = caller.name());
        let outcome = operation(engine, caller).instrument(span.clone()).await;
        span.in_scope(|| outcome.map_err(|error| request.fail(&error)))
    }

    /// Runs an operation that has no caller: log in and log out.
    ///
    /// # Errors
    /// The operation's fault, as with [`call`].
    pub async fn public<T, F, Fut>(operation: F) -> Result<T, ApiError>
    where
        F: FnOnce(Engine, Transport) -> Fut,
        Fut: Future<Output = engine::Result<T>>,
    {
        let request = Request::current();
        let engine = request.engine()?;
        let span = tracing::info_span!("rpc", path = %request.path);
        let outcome = operation(engine, transport()).instrument(span.clone()).await;
        span.in_scope(|| outcome.map_err(|error| request.fail(&error)))
    }

    /// Refuses before the engine is asked, for what only the form knows, such as a password typed twice.
    pub fn refuse(fault: Fault) -> ApiError {
        Request::current().refuse(fault)
    }

    /// Who is logged in, if anyone.
    pub fn identity() -> Option<Identity> {
        let parts = use_context::<Parts>()?;
        parts
            .extensions
            .get::<Caller>()
            .map(|caller| caller.identity().clone())
    }

    /// The names of the managed databases for who is logged in; none for who may not see them. The frame needs them
    /// before it can wait for anything.
    pub fn target_names() -> Vec<String> {
        let caller = use_context::<Parts>().and_then(|parts| parts.extensions.get::<Caller>().cloned());
        match (use_context::<Engine>(), caller) {
            (Some(engine), Some(caller)) => engine.targets().names(&caller).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// How this request came in. Without the server's word it counts as secure, which asks more of the browser.
    pub fn transport() -> Transport {
        use_context::<Parts>()
            .and_then(|parts| parts.extensions.get::<Transport>().copied())
            .unwrap_or(Transport {
                secure: true,
                address: None,
            })
    }

    /// Gives a page the status of the fault that took its place. A managed database that is down is no fault of the
    /// page, which is there to say so; and proxies put a page of their own in the place of a 502.
    pub fn set_page_status(code: Code) {
        if matches!(
            code,
            Code::NotFound | Code::Forbidden | Code::Unavailable | Code::Internal
        ) && let (Some(response), Ok(status)) = (
            use_context::<ResponseOptions>(),
            StatusCode::from_u16(code.status()),
        ) {
            response.set_status(status);
        }
    }

    /// Gives a server function's answer the status of its fault. During the rendering of a page the functions run
    /// inside it, and the status is the page's.
    pub(super) fn set_status(code: Code) {
        Request::current().set_status(code);
    }

    /// What is kept of the request while an operation runs, since context is certain only before the first wait.
    struct Request {
        path: String,
        engine: Option<Engine>,
        response: Option<ResponseOptions>,
    }

    impl Request {
        fn current() -> Self {
            Self {
                path: use_context::<Parts>()
                    .map(|parts| parts.uri.path().to_owned())
                    .unwrap_or_default(),
                engine: use_context(),
                response: use_context(),
            }
        }

        fn engine(&self) -> Result<Engine, ApiError> {
            self.engine.clone().ok_or_else(|| {
                self.refuse(Fault::new(Code::Internal, "The console is not ready.").hint("Try again."))
            })
        }

        fn refuse(&self, fault: Fault) -> ApiError {
            self.set_status(fault.code);
            ApiError(fault)
        }

        fn fail(&self, error: &engine::Error) -> ApiError {
            let mut fault = error.fault();
            if fault.code == Code::Internal || error.is_internal() {
                let trace = uuid::Uuid::new_v4().to_string();
                tracing::error!(trace, error = %chain(error), "an operation failed");
                fault.trace = Some(trace);
            } else {
                tracing::debug!(code = ?fault.code, error = %chain(error), "an operation was refused");
            }
            self.refuse(fault)
        }

        fn set_status(&self, code: Code) {
            if self.path.starts_with("/rpc/")
                && let (Some(response), Ok(status)) = (&self.response, StatusCode::from_u16(code.status()))
            {
                response.set_status(status);
            }
        }
    }

    /// An error and its causes in one line; `Display` of each prints itself alone.
    fn chain(error: &engine::Error) -> String {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
