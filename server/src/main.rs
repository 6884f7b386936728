//! The program `pgsteward`.

fn main() -> std::process::ExitCode {
    server::main()
}
