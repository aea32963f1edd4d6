//! The `rcup` program: the library's command line.

fn main() -> std::process::ExitCode {
    rcup::main()
}
