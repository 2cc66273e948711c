//! What the command line prints, command by command: `tests/cmd/*.trycmd`. After a change that is meant,
//! `TRYCMD=overwrite cargo test -p postern --test cmd` writes them anew; read the difference.

#[test]
fn the_command_line_says_what_it_said() {
    trycmd::TestCases::new()
        .env("HOME", "/nonexistent")
        .env("XDG_CONFIG_HOME", "/nonexistent/config")
        .env("XDG_DATA_HOME", "/nonexistent/data")
        .case("tests/cmd/*.trycmd");
}
