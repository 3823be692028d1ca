//! What a test object does to find out whether the service works (N-1). One run, one answer; schedules, rise and fall
//! are the core's.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time;

/// Passes if `target` accepts a TCP connection within `timeout`. The connection is closed at once.
///
/// # Errors
/// In words, for the operator: refused, unreachable, or no answer within the timeout.
pub async fn tcp_connect(target: SocketAddr, timeout: Duration) -> Result<(), String> {
    match time::timeout(timeout, TcpStream::connect(target)).await {
        Ok(Ok(stream)) => {
            // A reset instead of a FIN: a probe a second must not fill the service's table with TIME-WAIT.
            let _ = stream.set_zero_linger();
            Ok(())
        }
        Ok(Err(error)) => Err(format!("{target}: {error}")),
        Err(_) => Err(format!("{target}: no answer within {} ms", timeout.as_millis())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_listening_port_passes_and_a_closed_one_says_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        assert_eq!(tcp_connect(target, Duration::from_secs(5)).await, Ok(()));
        drop(listener);
        let error = tcp_connect(target, Duration::from_secs(5)).await.unwrap_err();
        assert!(error.contains("refused") && error.contains(&target.to_string()), "{error}");
    }

    #[tokio::test]
    async fn silence_fails_after_the_timeout() {
        // A listener whose backlog is full answers no further SYN.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(0).unwrap();
        let target = socket.local_addr().unwrap().as_socket().unwrap();
        let _first = TcpStream::connect(target).await.unwrap();
        let error = tcp_connect(target, Duration::from_millis(50)).await.unwrap_err();
        assert!(error.contains("no answer within 50 ms"), "{error}");
    }
}
